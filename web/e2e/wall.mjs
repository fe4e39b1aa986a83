// A coach in a real browser. Driven by tests/browser.rs: prints a line for what it has seen, and is told
// by the test's next step through the server, never by fixture data in the page.
//
// Environment: BASE_URL, GYM, EMAIL, PASSWORD, ATHLETE (a user id); CHROMIUM and SCREENSHOTS (a folder) are
// optional.

import { WITHIN, connection, disconnected, picture, saw, signIn, tab, withBrowser } from './browser.mjs';

const { EMAIL, ATHLETE } = process.env;

await withBrowser(async (browser, problems) => {
  const page = await tab(await browser.newContext({ viewport: { width: 1280, height: 800 } }), problems);
  const tile = page.locator(`[data-testid=tile][data-athlete="${ATHLETE}"]`);

  await signIn(page, EMAIL);
  saw('wall');

  await tile.getByTestId('tile-last').getByText(/142\.5.*4/).waitFor(WITHIN);
  await picture(page, 'wall');
  saw('tile');

  await tile.getByRole('link').click();
  const performed = page.locator('[data-testid=session-set][data-status=performed]');
  await performed.first().waitFor(WITHIN);
  const shown = await performed.first().innerText();
  if (!shown.includes('142.5')) throw new Error(`the session shows the set as typed, not: ${shown}`);
  await picture(page, 'session');
  saw('session');

  await disconnected(page);
  saw('lost');

  await connection(page, 'open');
  saw('back');

  await performed.nth(1).waitFor(WITHIN);
  if ((await performed.count()) !== 2) throw new Error('each set is shown once');
  saw('recovered');
});
