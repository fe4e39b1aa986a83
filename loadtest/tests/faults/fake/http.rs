//! What the server answers over HTTP: sign-in and its renewal, conversations, who is there, and how it is.

use std::sync::Mutex;

use serde_json::{Value, json};
use spotter_protocol::GymId;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::{Broken, COACHES, World, bearer, user};

/// Answers one request.
pub(super) async fn answer(mut stream: TcpStream, world: &Mutex<World>) {
    let (mut read, mut buffer) = (Vec::new(), [0; 4096]);
    let is_bare = |read: &[u8]| read.starts_with(b"GET") || read.starts_with(b"DELETE");
    while !(read.ends_with(b"}") || is_bare(&read) && read.ends_with(b"\r\n\r\n")) {
        match stream.read(&mut buffer).await {
            Ok(count @ 1..) => read.extend_from_slice(&buffer[..count]),
            Ok(0) | Err(_) => return,
        }
    }
    let request = String::from_utf8(read).unwrap();
    let refused = request.starts_with("POST /api/v1/auth/refresh")
        && matches!(world.lock().unwrap().broken, Some((Broken::NoRenewal, _)));
    let of_gyms = request.split_whitespace().nth(1).is_some_and(|path| path.starts_with("/gyms"));
    let (status, body) = match (refused, of_gyms) {
        (true, _) => ("401 Unauthorized", json!({ "code": "bad_refresh_token" }).to_string()),
        (false, true) => gyms(&request, &mut world.lock().unwrap()),
        (false, false) => ("200 OK", body(&request, &world.lock().unwrap())),
    };
    let head = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n", body.len());
    // Who asked may have gone.
    let _ = stream.write_all((head + &body).as_bytes()).await;
}

fn sent(request: &str) -> Value {
    request.split_once("\r\n\r\n").and_then(|(_, body)| serde_json::from_str(body).ok()).unwrap()
}

/// What an admin listener answers: a gym goes with the second request that asks for it.
fn gyms(request: &str, world: &mut World) -> (&'static str, String) {
    let mut words = request.split_whitespace();
    let (method, path) = (words.next().unwrap(), words.next().unwrap());
    let slug = path.split('/').nth(2).unwrap_or_default().to_owned();
    match (method, path) {
        ("GET", _) => ("200 OK", json!(world.gyms.keys().collect::<Vec<_>>()).to_string()),
        ("POST", "/gyms") => {
            world.gyms.insert(sent(request)["slug"].as_str().unwrap().to_owned(), false);
            ("201 Created", "{}".to_owned())
        }
        ("POST", _) if world.gyms.contains_key(&slug) => ("201 Created", "{}".to_owned()),
        ("DELETE", _) if world.gyms.get(&slug) == Some(&false) => {
            world.gyms.insert(slug, true);
            ("200 OK", json!({ "state": "partly", "awake": 1, "people": 2 }).to_string())
        }
        ("DELETE", _) if world.gyms.remove(&slug).is_some() => {
            ("200 OK", json!({ "state": "whole" }).to_string())
        }
        _ => ("404 Not Found", json!({ "detail": "there is no such gym" }).to_string()),
    }
}

fn body(request: &str, world: &World) -> String {
    let path = request.split_whitespace().nth(1).unwrap();
    let sent = || sent(request);
    if let Some(with) = path.strip_prefix("/api/v1/messages/") {
        let token = request.lines().find_map(|line| line.strip_prefix("authorization: Bearer ")).unwrap();
        let with = with.split('?').next().unwrap().parse().unwrap();
        return json!({ "messages": world.messages(bearer(token).1, with) }).to_string();
    }
    match path {
        "/api/v1/people" => json!({ "people": [] }).to_string(),
        "/api/v1/auth/login" => {
            let sent = sent();
            signed_in(sent["email"].as_str().unwrap(), world)
        }
        // A renewal is worth what its sign-in was worth.
        "/api/v1/auth/refresh" => signed_in(sent()["refresh_token"].as_str().unwrap(), world),
        _ => "spotter_build_info{version=\"0.0.0-fake\"} 1\n".to_owned(),
    }
}

/// Signs somebody in. Whoever is `a1@lt-0` is the second athlete of the first gym, `c0@lt-0` its first coach; gyms that
/// were made for a run are `lt-RUN-0.example`.
fn signed_in(email: &str, world: &World) -> String {
    let (name, gym) = email.split_once("@lt-").unwrap();
    let gym = gym.trim_end_matches(".example").rsplit('-').next().unwrap();
    let (number, gym): (u128, u128) = (name[1..].parse().unwrap(), gym.parse().unwrap());
    let (role, person) =
        if name.starts_with('c') { ("coach", COACHES + number) } else { ("athlete", number) };
    json!({
        "access_token": format!("{gym}.{person}"), "expires_in": world.lasts.as_secs(), "refresh_token": email,
        "user": {
            "id": user(gym, person), "name": email, "email": email, "role": role,
            "gym": { "id": GymId(Uuid::from_u128(gym)), "slug": format!("lt-{gym}"), "name": "Gym" },
        },
    })
    .to_string()
}
