/** An inbox, folded from its events: the twin of the server's rules. Pure. */

import type {
  ConversationView, InboxEvents, InboxView, MessageView, PublishedEvent, Timestamp, Uuid, Version,
} from './types';

/** Messages of one conversation at hand; older ones are in the history. */
const MESSAGES_MAX = 50;
/** Notifications at hand. */
const NOTIFICATIONS_MAX = 100;

export const EMPTY_INBOX: InboxView = { conversations: [], notifications_read: 0 };

type Fold<Body> = (inbox: InboxView, body: Body, event: PublishedEvent) => InboxView;

const FOLDS: { [Name in keyof InboxEvents]: Fold<InboxEvents[Name]> } = {
  message_sent: (inbox, { to, id, text, about }, { v, at }) =>
    withMessage(inbox, to, { v, id, mine: true, text, ...(about && { about }), at }),
  message_received: (inbox, { from, id, text, about, sent_at }, { v }) =>
    withMessage(inbox, from, { v, id, text, ...(about && { about }), at: sent_at }),
  // It concerns the senders: they are sent receipts.
  messages_delivered: (inbox) => inbox,
  messages_read: (inbox, body) =>
    withConversation(inbox, body.with, (held) => {
      const read = Math.max(held.read, body.through);
      return { ...held, read, unread: held.messages.filter(({ v, mine }) => !mine && v > read).length };
    }),
  receipt_received: (inbox, body) =>
    withConversation(inbox, body.with, (held) => ({
      ...held,
      delivered_there: Math.max(held.delivered_there, body.through),
      read_there: body.kind === 'read' ? Math.max(held.read_there, body.through) : held.read_there,
    })),
  notified: (inbox, { notice }, { v, at }) => ({
    ...inbox,
    notifications: [{ v, notice, at }, ...(inbox.notifications ?? [])].slice(0, NOTIFICATIONS_MAX),
  }),
  notifications_read: (inbox, { through }) => ({
    ...inbox, notifications_read: Math.max(inbox.notifications_read, through),
  }),
};

/** The inbox after one more event. One of a newer server changes nothing: see {@link isInboxEvent}. */
export function applyInboxEvent(inbox: InboxView, event: PublishedEvent): InboxView {
  const [name, body] = Object.entries(event.ev)[0] ?? [];
  if (name === undefined || !Object.hasOwn(FOLDS, name)) return inbox;
  return (FOLDS[name as keyof typeof FOLDS] as Fold<unknown>)(inbox, body, event);
}

export function isInboxEvent(event: PublishedEvent): boolean {
  const name = Object.keys(event.ev)[0] ?? '';
  return Object.hasOwn(FOLDS, name) || name === 'hidden';
}

/** Messages not read, over all conversations. */
export function unreadMessages(inbox: InboxView): number {
  return inbox.conversations.reduce((sum, { unread }) => sum + unread, 0);
}

/** Notifications not read. */
export function unreadNotifications(inbox: InboxView): number {
  return inbox.notifications?.filter(({ v }) => v > inbox.notifications_read).length ?? 0;
}

/** How far a message of one's own has got. */
export function receiptOf({ v }: MessageView, { delivered_there, read_there }: ConversationView): 'sent' | 'delivered' | 'read' {
  if (v <= read_there) return 'read';
  return v <= delivered_there ? 'delivered' : 'sent';
}

/** The version of the newest message that came in, and of whatever of it is unread: what `read` names. */
export function newestReceived({ messages }: ConversationView): Version {
  return messages.findLast(({ mine }) => !mine)?.v ?? 0;
}

/** When a conversation last moved. */
export function lastAt({ messages }: ConversationView): Timestamp {
  return messages.at(-1)?.at ?? 0;
}

function withMessage(inbox: InboxView, other: Uuid, message: MessageView): InboxView {
  const held = inbox.conversations.find((conversation) => conversation.with === other) ?? begun(other);
  const changed = {
    ...held,
    messages: [...held.messages, message].slice(-MESSAGES_MAX),
    unread: held.unread + (message.mine ? 0 : 1),
  };
  return { ...inbox, conversations: [changed, ...inbox.conversations.filter((conversation) => conversation !== held)] };
}

function begun(other: Uuid): ConversationView {
  return { with: other, messages: [], unread: 0, read: 0, delivered_there: 0, read_there: 0 };
}

function withConversation(
  inbox: InboxView,
  other: Uuid,
  change: (held: ConversationView) => ConversationView,
): InboxView {
  const conversations = inbox.conversations.map((held) => (held.with === other ? change(held) : held));
  return { ...inbox, conversations };
}
