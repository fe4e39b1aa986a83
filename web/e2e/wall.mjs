// A coach in a real browser. Driven by tests/browser.rs: prints a line for what it has seen, and is told
// by the test's next step through the server, never by fixture data in the page.
//
// Environment: BASE_URL, GYM, EMAIL, PASSWORD, ATHLETE (a user id); CHROMIUM and SCREENSHOTS (a folder) are
// optional.

import { chromium } from 'playwright-core';

const { BASE_URL, GYM, EMAIL, PASSWORD, ATHLETE, CHROMIUM = '/usr/bin/chromium', SCREENSHOTS } = process.env;
const WITHIN = { timeout: 30_000 };

const saw = (what) => console.log(what);

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

try {
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const problems = [];
  page.on('pageerror', (error) => problems.push(String(error)));
  const byId = (id) => page.getByTestId(id);
  const connection = (state) => page.locator(`[data-testid=connection][data-state=${state}]`).waitFor({ ...WITHIN, state: 'attached' });
  const tile = page.locator(`[data-testid=tile][data-athlete="${ATHLETE}"]`);

  await page.goto(BASE_URL);
  await byId('signin-gym').fill(GYM);
  await byId('signin-email').fill(EMAIL);
  await byId('signin-password').fill(PASSWORD);
  await byId('signin-submit').click();
  await connection('open');
  saw('wall');

  await tile.getByTestId('tile-last').getByText(/142\.5.*4/).waitFor(WITHIN);
  if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/wall.png` });
  saw('tile');

  await tile.click();
  const performed = page.locator('[data-testid=session-set][data-status=performed]');
  await performed.first().waitFor(WITHIN);
  const shown = await performed.first().innerText();
  if (!shown.includes('142.5')) throw new Error(`the session shows the set as typed, not: ${shown}`);
  if (SCREENSHOTS) await page.screenshot({ path: `${SCREENSHOTS}/session.png` });
  saw('session');

  await page.locator('[data-testid=connection]:not([data-state=open])').waitFor({ ...WITHIN, state: 'attached' });
  saw('lost');

  await connection('open');
  saw('back');

  await performed.nth(1).waitFor(WITHIN);
  if ((await performed.count()) !== 2) throw new Error('each set is shown once');
  if (problems.length > 0) throw new Error(`the page threw: ${problems.join('; ')}`);
  saw('recovered');
} finally {
  await browser.close();
}
