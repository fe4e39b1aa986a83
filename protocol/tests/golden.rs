//! The files under `golden` hold every form of the wire and of the journal still. They are compared, and
//! written only with `UPDATE_GOLDEN=1`; the TypeScript client reads the same files in its own tests.

#[path = "golden/example.rs"]
mod example;
#[path = "golden/file.rs"]
mod file;

use std::collections::BTreeSet;

use serde_json::{Value, json};
use spotter_protocol::{
    Address, ClientFrame, ClientId, CloseCode, Codec, CommandId, CommandKind, DecodeError, ErrorCode,
    EventsFrame, InboxEvent, PublishedEvent, Recorded, RoomEvent, ServerFrame, SessionEvent, Shard, Shown,
    SnapshotFrame, Stamp, UserId, Version, Vocabulary,
};
use uuid::Uuid;

#[test]
fn frames_of_a_client_keep_their_forms() {
    for (name, frame) in example::client_frames() {
        keeps_its_forms(&format!("client/{name}"), &frame, ClientFrame::encode, ClientFrame::decode);
    }
}

#[test]
fn frames_of_a_server_keep_their_forms() {
    for (name, frame) in example::server_frames() {
        keeps_its_forms(&format!("server/{name}"), &frame, ServerFrame::encode, ServerFrame::decode);
    }
}

fn keeps_its_forms<F: PartialEq + std::fmt::Debug>(
    name: &str,
    frame: &F,
    encode: fn(&F, Codec) -> Vec<u8>,
    decode: fn(Codec, &[u8]) -> Result<F, DecodeError>,
) {
    let mut json = encode(frame, Codec::Json);
    json.push(b'\n');
    file::check(&format!("{name}.json"), &json);
    file::check(&format!("{name}.msgpack"), &encode(frame, Codec::MsgPack));

    assert_eq!(decode(Codec::Json, file::read(&format!("{name}.json")).trim_ascii()).as_ref(), Ok(frame));
    assert_eq!(decode(Codec::MsgPack, &file::read(&format!("{name}.msgpack"))).as_ref(), Ok(frame));
}

#[test]
fn every_kind_of_frame_has_a_file_and_every_file_a_frame() {
    let client = example::client_frames();
    let server = example::server_frames();
    let kinds_of_client: BTreeSet<_> = client.iter().map(|(_, frame)| frame.kind()).collect();
    let kinds_of_server: BTreeSet<_> = server.iter().map(|(_, frame)| frame.kind()).collect();
    assert_eq!(kinds_of_client, ClientFrame::KINDS.iter().copied().collect());
    assert_eq!(kinds_of_server, ServerFrame::KINDS.iter().copied().collect());

    let names = |frames: BTreeSet<&str>| frames.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let of_client = names(client.iter().map(|(name, _)| name.as_str()).collect());
    let of_server = names(server.iter().map(|(name, _)| name.as_str()).collect());
    for ending in [".json", ".msgpack"] {
        assert_eq!(file::names("client", ending), of_client);
        assert_eq!(file::names("server", ending), of_server);
    }
}

#[test]
fn every_command_has_a_file() {
    let shown: BTreeSet<_> =
        example::client_frames()
            .into_iter()
            .filter_map(|(_, frame)| {
                if let ClientFrame::Command(frame) = frame { Some(frame.command.kind()) } else { None }
            })
            .collect();
    assert_eq!(shown, CommandKind::all().collect());
}

#[test]
fn every_event_has_a_body_that_decodes_for_ever() {
    bodies_decode_for_ever(&example::session_events());
    bodies_decode_for_ever(&example::inbox_events());
    bodies_decode_for_ever(&example::room_events());

    let kinds = SessionEvent::KINDS.iter().map(|kind| SessionEvent::name(*kind));
    let kinds = kinds.chain(InboxEvent::KINDS.iter().map(|kind| InboxEvent::name(*kind)));
    let kinds: BTreeSet<_> =
        kinds.chain(RoomEvent::KINDS.iter().map(|kind| RoomEvent::name(*kind))).collect();
    let files = file::names("journal", ".v1.msgpack");
    assert_eq!(kinds, files.iter().map(String::as_str).collect());
}

fn bodies_decode_for_ever<E: Vocabulary + PartialEq + std::fmt::Debug>(events: &[E]) {
    let shown: Vec<_> = events.iter().map(Vocabulary::kind).collect();
    assert_eq!(shown, E::KINDS, "one example of each event, in the order of the vocabulary");
    for event in events {
        let kind = E::name(event.kind());
        let name = format!("journal/{kind}.v1.msgpack");
        file::check(&name, &event.body_to_msgpack().expect("a body has a form"));

        let read = Recorded::<E>::read(Version(1), a_stamp(), kind, 1, &file::read(&name));
        assert_eq!(&read.expect("an old body decodes").event, event);
    }
}

fn a_stamp() -> Stamp {
    Stamp {
        at: example::T0,
        received_at: example::T0,
        device_at: example::T0,
        offset: 0,
        author: example::ATHLETE,
        command: CommandId(Uuid::nil()),
        client: ClientId(Uuid::nil()),
        n: 1,
    }
}

#[test]
fn the_error_codes_hold() {
    let codes = ErrorCode::ALL.iter();
    let codes = codes.map(|code| json!({"code": code, "kind": code.persistence(), "text": code.text()}));
    check_rows("errors.json", codes);
}

#[test]
fn the_close_codes_hold() {
    let closes = CloseCode::ALL.iter().map(|close| {
        let number = close.number();
        json!({"code": number, "reason": close.reason(), "reconnects": CloseCode::reconnects(number)})
    });
    // Codes that others name: the browser, a proxy, a newer server.
    let foreign = [1001, 1005, 1006, 1007, 1010, 1011, 1014, 1015, 3000, 4000, 4499, 4500, 4999];
    let foreign =
        foreign.into_iter().map(|code| json!({"code": code, "reconnects": CloseCode::reconnects(code)}));
    check_rows("closes.json", closes.chain(foreign));
}

#[test]
fn the_shards_hold() {
    let owners = [0, 1, 2, 3, u128::MAX, 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef];
    let owners =
        owners.into_iter().map(|n| UserId(Uuid::from_u128(n))).chain([example::ATHLETE, example::COACH]);
    check_rows(
        "shards.json",
        owners.map(|owner| json!({"owner": owner, "shard": Shard::of(owner).number()})),
    );
}

/// One row a line, so that a change shows as the line it is.
fn check_rows(name: &str, rows: impl Iterator<Item = Value>) {
    let rows: Vec<_> = rows.map(|row| format!("  {row}")).collect();
    file::check(name, format!("[\n{}\n]\n", rows.join(",\n")).as_bytes());
}

#[test]
fn fields_of_a_newer_peer_are_ignored() {
    for (name, frame) in example::client_frames() {
        let newer = with_fields_of_a_newer_peer(&frame.encode(Codec::Json));
        assert_eq!(ClientFrame::decode(Codec::Json, &newer).as_ref(), Ok(&frame), "{name}");
    }
    for (name, frame) in example::server_frames() {
        let newer = with_fields_of_a_newer_peer(&frame.encode(Codec::Json));
        assert_eq!(ServerFrame::decode(Codec::Json, &newer).as_ref(), Ok(&frame), "{name}");
    }
}

/// Adds a field to every body, and to every record inside it except those that name one command, event or view.
fn with_fields_of_a_newer_peer(json: &[u8]) -> Vec<u8> {
    fn add(value: &mut Value, name: &str) {
        match value {
            Value::Object(fields) => {
                fields.iter_mut().for_each(|(name, field)| add(field, name));
                if !["do", "ev", "state"].contains(&name) {
                    fields.insert("newer".to_owned(), json!({"deep": [1, null, "text"]}));
                }
            }
            Value::Array(entries) => entries.iter_mut().for_each(|entry| add(entry, "")),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let mut frame: Value = serde_json::from_slice(json).expect("a frame is JSON");
    add(&mut frame["b"], "b");
    serde_json::to_vec(&frame).expect("JSON can be written")
}

#[test]
fn an_event_of_a_newer_server_counts_and_is_marked() {
    let newer = PublishedEvent {
        v: Version(9),
        at: example::T0,
        received_at: example::T0,
        by: example::ATHLETE,
        ev: json!({"later": {"x": [1, "two"]}}),
    };
    let frame = EventsFrame { to: Address::room(example::COACH), events: vec![newer] };
    for codec in Codec::ALL {
        let read = ServerFrame::decode(codec, &codec.encode("events", &frame));

        let Ok(ServerFrame::Events(read)) = read else { panic!("{read:?}") };
        assert_eq!(read.events[0].v, Version(9));
        assert_eq!(read.events[0].ev, Shown::Unknown("later".to_owned()));
    }
}

/// A history is `{"events": […events frames…], "snapshot": …snapshot frame…}`, bodies without envelopes.
/// Who folds the events gets the state; here only their form is checked.
#[test]
fn histories_are_made_of_frames() {
    for name in file::names("", "_history.json") {
        let text = file::read(&format!("{name}_history.json"));
        let history: Value = serde_json::from_slice(&text).expect("a history is JSON");
        let frames: Vec<EventsFrame> = serde_json::from_value(history["events"].clone())
            .unwrap_or_else(|error| panic!("{name}: {error}"));
        let snapshot: SnapshotFrame = serde_json::from_value(history["snapshot"].clone())
            .unwrap_or_else(|error| panic!("{name}: {error}"));

        assert_eq!(json!(frames), history["events"], "{name} holds exactly what is written");
        assert_eq!(json!(snapshot), history["snapshot"], "{name} holds exactly what is written");
        let versions: Vec<_> = frames.iter().flat_map(|frame| &frame.events).map(|event| event.v.0).collect();
        assert_eq!(versions, (1..=snapshot.v.0).collect::<Vec<_>>(), "{name} has every version once");
        let of_newer = |ev: &Shown| matches!(ev, Shown::Unknown(_));
        let mut shown = frames.iter().flat_map(|frame| &frame.events).map(|event| &event.ev);
        assert!(!shown.any(of_newer), "{name} names only events of this build");
    }
}

/// A command or an event without a word to whoever writes a client, or without a test, does not exist.
#[test]
fn every_name_is_on_the_page_and_has_a_test() {
    let commands = CommandKind::all().map(CommandKind::as_str);
    let session = SessionEvent::KINDS.iter().map(|kind| SessionEvent::name(*kind));
    let inbox = InboxEvent::KINDS.iter().map(|kind| InboxEvent::name(*kind));
    let room = RoomEvent::KINDS.iter().map(|kind| RoomEvent::name(*kind));
    let names: Vec<&str> = commands.chain(session).chain(inbox).chain(room).collect();
    for page in ["docs/protocol.md", "ARCHITECTURE.md"] {
        let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(page);
        let text = std::fs::read_to_string(path).expect("the page");
        let missing: Vec<_> = names.iter().filter(|name| !text.contains(&format!("`{name}`"))).collect();
        assert!(missing.is_empty(), "{page} says nothing of {missing:?}");
    }
}
