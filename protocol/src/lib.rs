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
mod signal;
mod text;
mod time;
mod view;
mod vocabulary;
mod workout;

pub use address::{Address, EntityKind, SHARDS, Shard};
pub use close::CloseCode;
pub use codec::{Codec, DecodeError};
pub use command::{
    Abandon, ActOnCue, Add, Amend, Command, CommandKind, Complete, Cue, DeliverCue, Delivered, Dismiss,
    DropSets, Fail, Finish, Hide, InboxCommand, InboxCommandKind, Message, Movement, Note, Notify, Pain,
    Patch, Pause, Pin, Place, Read, ReadNotifications, Readiness, Receipt, Receive, Reopen, Reorder, Rest,
    Resume, RoomCommand, RoomCommandKind, SeeCue, SessionCommand, SessionCommandKind, Show, Skip, Slot,
    Start, Swap, Unpin, Void,
};
pub use error::{ErrorCode, Fault, Persistence};
pub use event::{
    Abandoned, Acknowledged, Actual, AthleteHidden, AthletePinned, AthleteShown, AthleteUnpinned,
    BadgeDismissed, CueActed, CueDelivered, CueSeen, Cued, Event, ExerciseAdded, ExerciseSwapped, Finished,
    InboxEvent, InboxEventKind, JournalError, MessageReceived, MessageSent, MessagesDelivered, MessagesRead,
    Noted, Notice, NoticeKind, NotificationsRead, Notified, PainNoted, Paused, PlanPatched, PlannedExercise,
    PlannedSet, Pr, PrKind, PrWithdrawn, ReadinessNoted, Rebased, ReceiptKind, ReceiptReceived, Recorded,
    Reopened, Reordered, Rested, Resumed, RoomEvent, RoomEventKind, SessionEvent, SessionEventKind, SetAdded,
    SetAmended, SetCompleted, SetFailed, SetSkipped, SetVoided, SetsAdded, SetsDropped, Stamp, Started,
};
pub use frame::{
    Ack, ClientFrame, CommandFrame, EventsFrame, GoAway, Hello, Limits, LiveSession, Ping, Pong,
    PublishedEvent, Reply, Revoked, ServerFrame, Shown, Signal, SignalFrame, SnapshotFrame, Subscribe,
    TilesFrame, Token, Unsubscribe, Welcome,
};
pub use glance::{
    Attention, Badge, CueGlance, CueState, Glance, LastSet, PainGlance, Presence, RestGlance, Tile,
};
pub use id::{
    ClientId, CommandId, CueGroupId, CueId, ExerciseId, GymId, InstanceId, LinkId, MessageId, SessionId,
    SetId, StreamId, UserId, WorkoutId,
};
pub use permission::{
    LinkPermission, Role, Rule, Speaker, View, gym_room_view, gym_rule, rule, shows, speaker_of, view_for,
};
pub use quantity::{
    Answer, Effort, EffortScale, Feeling, Grams, Group, Load, LoadKind, Metres, PainLevel, RepRange, Reps,
    Seconds, SetType, Side, Unit,
};
pub use scan::{DEPTH_MAX, ENTRIES_MAX, FRAME_BYTES_MAX, SERVER_FRAME_BYTES_MAX, ScanError};
pub use signal::SignalKey;
pub use text::{MessageText, Name, NoteText, Reason, Site, Text, Title};
pub use time::{LATE_AFTER, Millis, Timestamp};
pub use view::{
    Adherence, ConversationView, CueView, EntityView, ExerciseView, InboxView, MessageView, NoteView,
    NotificationView, PainView, Phase, ReadinessView, RestView, RoomView, SessionView, SetStatus, SetView,
};
pub use vocabulary::Vocabulary;
pub use workout::{Bests, PrescribedExercise, Target, Version, Workout, WorkoutRef};
