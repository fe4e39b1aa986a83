//! What Spotter sends and what it stores: ids, addresses, quantities, commands, events, frames, the two
//! codecs, the error and close tables and the permission table. No I/O and no clock.
//!
//! `docs/protocol.md` tells the same story to whoever writes a client; the files under `protocol/golden`
//! hold every form still, and the TypeScript client reads those same files in its own tests.

mod address;
mod close;
mod codec;
mod command;
mod error;
mod event;
mod frame;
mod glance;
mod id;
mod permission;
mod quantity;
mod scan;
mod seen;
mod text;
mod time;
mod view;
mod vocabulary;
mod workout;

pub use address::{Address, EntityKind, SHARDS, Shard};
pub use close::CloseCode;
pub use codec::{Codec, DecodeError};
pub use command::{
    Amend, Command, CommandKind, Complete, Delivered, Dismiss, Fail, Finish, Hide, InboxCommand,
    InboxCommandKind, Message, Note, Notify, Pause, Pin, Place, Read, ReadNotifications, Receipt, Receive,
    Reopen, Rest, Resume, RoomCommand, RoomCommandKind, SessionCommand, SessionCommandKind, Show, Skip,
    Start, Unpin, Void,
};
pub use error::{ErrorCode, Fault, Persistence};
pub use event::{
    Acknowledged, Actual, AthleteHidden, AthletePinned, AthleteShown, AthleteUnpinned, BadgeDismissed, Event,
    ExerciseAdded, Finished, InboxEvent, InboxEventKind, JournalError, MessageReceived, MessageSent,
    MessagesDelivered, MessagesRead, Noted, Notice, NoticeKind, NotificationsRead, Notified, Paused,
    PlannedExercise, PlannedSet, Pr, PrKind, PrWithdrawn, ReceiptKind, ReceiptReceived, Recorded, Reopened,
    Rested, Resumed, RoomEvent, RoomEventKind, SessionEvent, SessionEventKind, SetAdded, SetAmended,
    SetCompleted, SetFailed, SetSkipped, SetVoided, Stamp, Started,
};
pub use frame::{
    Ack, ClientFrame, CommandFrame, EventsFrame, GoAway, Hello, Limits, LiveSession, Ping, Pong,
    PublishedEvent, Reply, ServerFrame, Shown, Signal, SnapshotFrame, Subscribe, TilesFrame, Token,
    Unsubscribe, Welcome,
};
pub use glance::{Attention, Badge, Glance, LastSet, Presence, RestGlance, Tile};
pub use id::{
    ClientId, CommandId, ExerciseId, GymId, InstanceId, LinkId, MessageId, SessionId, SetId, StreamId,
    UserId, WorkoutId,
};
pub use permission::{LinkPermission, Role, Rule, View, rule, shows, view_for};
pub use quantity::{
    Effort, EffortScale, Grams, Load, LoadKind, Metres, RepRange, Reps, Seconds, SetType, Side, Unit,
};
pub use scan::{DEPTH_MAX, ENTRIES_MAX, FRAME_BYTES_MAX, SERVER_FRAME_BYTES_MAX, ScanError};
pub use text::{MessageText, Name, NoteText, Reason, Text, Title};
pub use time::{LATE_AFTER, Millis, Timestamp};
pub use view::{
    ConversationView, EntityView, ExerciseView, InboxView, MessageView, NoteView, NotificationView, Phase,
    RestView, RoomView, SessionView, SetStatus, SetView,
};
pub use vocabulary::Vocabulary;
pub use workout::{Bests, PrescribedExercise, Target, Version, Workout, WorkoutRef};
