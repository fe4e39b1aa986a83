// What the scenarios share: a real Chromium, people who sign in, and problems that end a run.

import { chromium } from 'playwright-core';

const { BASE_URL, GYM, PASSWORD, CHROMIUM = '/usr/bin/chromium', SCREENSHOTS } = process.env;

/** How long anything may take to be seen. */
export const WITHIN = { timeout: 30_000 };

/** Tells the test that drives this what has been seen. */
export const saw = (what) => console.log(what);

/** Runs `scenario` with a browser; a page that throws fails it. */
export async function withBrowser(scenario) {
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const problems = [];
  try {
    await scenario(browser, problems);
    if (problems.length > 0) throw new Error(`a page threw: ${problems.join('; ')}`);
  } catch (error) {
    const pages = browser.contexts().flatMap((context) => context.pages());
    await Promise.all(pages.map((page, i) => picture(page, `failed-${i}`)));
    throw error;
  } finally {
    await browser.close();
  }
}

/** A tab of `context`. */
export async function tab(context, problems) {
  const page = await context.newPage();
  page.on('pageerror', (error) => problems.push(String(error)));
  return page;
}

export async function signIn(page, email) {
  await page.goto(BASE_URL);
  await page.getByTestId('signin-gym').fill(GYM);
  await page.getByTestId('signin-email').fill(email);
  await page.getByTestId('signin-password').fill(PASSWORD);
  await page.getByTestId('signin-submit').click();
  await connection(page, 'open');
}

export const connection = (page, state) =>
  page.locator(`[data-testid=connection][data-state=${state}]`).waitFor({ ...WITHIN, state: 'attached' });

export const disconnected = (page) =>
  page.locator('[data-testid=connection]:not([data-state=open])').waitFor({ ...WITHIN, state: 'attached' });

/** Keeps a picture of a page where a folder for pictures is named. */
export async function picture(page, name) {
  if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/${name}.png` });
}
