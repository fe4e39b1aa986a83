import { expect, it } from 'vitest';
import { EMPTY_INBOX, applyInboxEvent, isInboxEvent, newestReceived, receiptOf, unreadMessages, unreadNotifications } from './inbox';
import type { InboxView, Shown } from './types';

const ME = '0199c82c-c000-7000-8000-00a1000000a1';
const COACH = '0199c82c-c000-7000-8000-00c0000000c0';
const OTHER = '0199c82c-c000-7000-8000-00c1000000c1';
const ids = ['11', '12', '13'].map((n) => `0199c82c-c000-7000-8000-0000000000${n}`) as [string, string, string];

/** The inbox after these events, with versions from 1 and a second apart. */
function folded(...events: Shown[]): InboxView {
  return events.reduce(
    (inbox, ev, i) => applyInboxEvent(inbox, { v: i + 1, at: i * 1_000_000, received_at: i * 1_000_000, by: ME, ev }),
    EMPTY_INBOX,
  );
}

const received = (from: string, id: string): Shown => ({
  message_received: { from, id, text: 'ready?', sent_at: 5, sent_v: 9 },
});
const sent = (to: string, id: string): Shown => ({ message_sent: { to, id, text: 'yes' } });

it('the conversation with the newest message comes first', () => {
  const inbox = folded(received(COACH, ids[0]), received(OTHER, ids[1]), sent(COACH, ids[2]));
  expect(inbox.conversations.map((held) => [held.with, held.messages.length, held.unread])).toEqual([[COACH, 2, 1], [OTHER, 1, 1]]);
  expect(unreadMessages(inbox)).toBe(2);
});

it('reading leaves what came later unread', () => {
  const inbox = folded(received(COACH, ids[0]), received(COACH, ids[1]), { messages_read: { with: COACH, through: 1 } });
  expect(inbox.conversations[0]).toMatchObject({ unread: 1, read: 1 });
  expect(newestReceived(inbox.conversations[0]!)).toBe(2);
});

it('a message is sent, then delivered, then read, and never goes back', () => {
  const steps: Shown[] = [
    { receipt_received: { with: COACH, kind: 'delivered', through: 1 } },
    { receipt_received: { with: COACH, kind: 'read', through: 1 } },
    { receipt_received: { with: COACH, kind: 'delivered', through: 1 } },
  ];
  const states = [0, 1, 2, 3].map((count) => {
    const [conversation] = folded(sent(COACH, ids[0]), ...steps.slice(0, count)).conversations;
    return receiptOf(conversation!.messages[0]!, conversation!);
  });
  expect(states).toEqual(['sent', 'delivered', 'read', 'read']);
});

it('no conversation and no list of notifications grows without bound', () => {
  const messages = Array.from({ length: 60 }, () => received(COACH, ids[0]));
  const notices = Array.from({ length: 120 }, (): Shown => ({ notified: { notice: { kind: 'linked', with: COACH } } }));
  const inbox = folded(...messages, ...notices, { notifications_read: { through: 170 } });
  expect(inbox.conversations[0]!.messages).toHaveLength(50);
  expect(inbox.notifications).toHaveLength(100);
  expect(inbox.notifications![0]!.v).toBe(180);
  expect(unreadNotifications(inbox)).toBe(10);
});

it('what a newer server says counts, and shows that the page is outdated', () => {
  const later = { later: {} } as unknown as Shown;
  expect(folded(later)).toEqual(EMPTY_INBOX);
  expect(isInboxEvent({ v: 1, at: 0, received_at: 0, by: ME, ev: later })).toBe(false);
});
