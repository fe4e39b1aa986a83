// A coach and an athlete, each in a browser of their own, over a restart of the server. Driven by
// tests/browser.rs, which stops the server at `logged` and starts it at `kept`.
//
// Environment: BASE_URL, GYM, COACH, ATHLETE (e-mail addresses), PASSWORD; CHROMIUM and SCREENSHOTS (a folder)
// are optional.

import { WITHIN, connection, disconnected, picture, saw, signIn, tab, withBrowser } from './browser.mjs';

const { BASE_URL, COACH, ATHLETE } = process.env;

/** Fails unless `locator` finds exactly `count`. */
async function exactly(locator, count, what) {
  const found = await locator.count();
  if (found !== count) throw new Error(`${what}: ${found} instead of ${count}`);
}

async function log(page, load, reps) {
  await page.getByTestId('log-load').fill(load);
  await page.getByTestId('log-reps').fill(reps);
  await page.getByTestId('log-done').click();
}

await withBrowser(async (browser, problems) => {
  const wall = await tab(await browser.newContext({ viewport: { width: 1280, height: 800 } }), problems);
  const device = await browser.newContext({ viewport: { width: 390, height: 844 } });
  let phone = await tab(device, problems);
  await signIn(wall, COACH);
  await signIn(phone, ATHLETE);

  // The athlete begins a session, and the coach sees it.
  await phone.getByTestId('start-title').fill('Squats');
  await phone.getByTestId('start').click();
  await phone.getByTestId('exercise-name').fill('Barbell Squat');
  await phone.getByTestId('exercise-add').click();
  await log(phone, '100', '5');
  await wall.getByTestId('tile-last').getByText(/100 kg.*5/).waitFor(WITHIN);
  saw('training');

  // A cue goes out from the wall, and its receipts come back.
  await wall.getByTestId('cue-open').click();
  await wall.getByTestId('tile').getByRole('checkbox').check();
  await wall.getByRole('button', { name: 'Rack it' }).click();
  await phone.getByTestId('cue').getByText('Rack it').waitFor(WITHIN);
  await picture(phone, 'cue');
  await wall.locator('[data-testid=tile-cue][data-state=seen]').waitFor(WITHIN);
  await picture(wall, 'cue-wall');
  await phone.getByTestId('cue-acted').click();
  await wall.locator('[data-testid=tile-cue][data-state=acted]').waitFor(WITHIN);
  await wall.getByTestId('cue-sent').getByText('acted').first().waitFor(WITHIN);
  await phone.getByTestId('cue').waitFor({ ...WITHIN, state: 'detached' });
  saw('cue');

  // The coach changes what is left, while the athlete adds to it: neither is lost.
  await wall.getByTestId('tile').getByRole('link').click();
  await wall.getByTestId('plan-edit').click();
  await wall.getByTestId('plan-load').first().fill('92.5');
  await phone.getByTestId('exercise-name').fill('Lunge');
  await phone.getByTestId('exercise-add').click();
  await wall.getByTestId('plan-outdated').getByText('Lunge was added').waitFor(WITHIN);
  await picture(wall, 'plan');
  await wall.getByTestId('plan-rebase').click();
  await exactly(wall.getByTestId('plan-set'), 5, 'the sets of both');
  await wall.getByTestId('plan-send').click();
  await phone.getByTestId('logger').getByText('92.5 kg').waitFor(WITHIN);
  await picture(phone, 'training');
  saw('patched');

  // The athlete was told of the link, and reads that.
  const training = phone.url();
  await phone.getByTestId('inbox-link').click();
  await phone.getByTestId('notification').first().waitFor(WITHIN);
  await phone.getByRole('button', { name: 'Mark as read' }).click();
  await phone.getByTestId('unread').waitFor({ ...WITHIN, state: 'detached' });
  await phone.goto(training);

  // A message goes there, is read, and is answered.
  await wall.getByRole('link', { name: /^Message / }).click();
  await wall.getByTestId('message-text').fill('Ready for the last one?');
  await wall.getByTestId('message-send').click();
  await phone.getByTestId('unread').getByText('1').waitFor(WITHIN);
  await wall.locator('[data-testid=message][data-state=delivered]').waitFor(WITHIN);
  await phone.getByTestId('inbox-link').click();
  await phone.getByTestId('conversation').click();
  await wall.locator('[data-testid=message][data-state=read]').waitFor(WITHIN);
  await phone.getByTestId('message-text').fill('Give me a minute');
  await phone.getByTestId('message-send').click();
  await wall.locator('[data-testid=message][data-state=received]').getByText('Give me a minute').waitFor(WITHIN);
  await picture(wall, 'messages');
  await phone.goto(training);
  saw('messages');

  // Without a server a set is logged, and the page closed; it is sent once by the next visit.
  await phone.getByTestId('log-done').waitFor(WITHIN);
  saw('logged');
  await disconnected(phone);
  await log(phone, '92.5', '5');
  await phone.getByTestId('unsent').first().waitFor(WITHIN);
  await picture(phone, 'unsent');
  await phone.close();
  saw('kept');

  await connection(wall, 'open');
  phone = await tab(device, problems);
  await phone.goto(training.replace(/^[^#]*/, `${BASE_URL}/`));
  await connection(phone, 'open');
  const performed = (page) => page.locator('[data-testid=session-set][data-status=performed]');
  await performed(phone).nth(1).waitFor(WITHIN);
  await phone.getByTestId('unsent').waitFor({ ...WITHIN, state: 'detached' });
  await exactly(performed(phone), 2, 'the athlete’s sets');
  await wall.goto(training.replace(/^[^#]*/, `${BASE_URL}/`));
  await performed(wall).nth(1).waitFor(WITHIN);
  await exactly(performed(wall), 2, 'the sets that the coach sees');
  saw('sent once');
});
