//! The web pages inside the program. Any address that is nothing else is the application's to show.

use axum::body::Body;
use axum::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use crate::digest::hex;
use crate::http::problem::{Problem, ProblemKind};

/// What the build script put there: `web/dist`, or one page that says it was not built.
#[derive(RustEmbed)]
#[folder = "$OUT_DIR/pages"]
struct Pages;

/// Addresses of programs: an unknown one is never answered with a page.
const NOT_PAGES: [&str; 6] = ["api", "v1", "assets", "livez", "readyz", "metrics"];

/// Answers what no other route does: a file of the pages, or the application where a browser asks for a page.
pub async fn serve(method: Method, uri: Uri, headers: HeaderMap) -> Response {
    if method != Method::GET && method != Method::HEAD {
        return Problem::new(ProblemKind::NotFound).into_response();
    }
    let path = uri.path().trim_start_matches('/');
    if let Some(file) = Pages::get(path) {
        return respond(path, file, &headers);
    }
    let is_programs = path.split('/').next().is_some_and(|first| NOT_PAGES.contains(&first));
    match Pages::get("index.html") {
        Some(index) if !is_programs && (uri.path() == "/" || accepts_html(&headers)) => {
            respond("index.html", index, &headers)
        }
        _ => Problem::new(ProblemKind::NotFound).into_response(),
    }
}

fn accepts_html(headers: &HeaderMap) -> bool {
    headers
        .get(ACCEPT)
        .and_then(|accept| accept.to_str().ok())
        .is_some_and(|accept| accept.contains("text/html"))
}

fn respond(path: &str, file: EmbeddedFile, headers: &HeaderMap) -> Response {
    // Vite names what is under assets/ by its content.
    let caching =
        if path.starts_with("assets/") { "public, max-age=31536000, immutable" } else { "no-cache" };
    let etag = format!("\"{}\"", hex(&file.metadata.sha256_hash()[..16]));
    if headers.get(IF_NONE_MATCH).is_some_and(|known| known.as_bytes() == etag.as_bytes()) {
        return (StatusCode::NOT_MODIFIED, [(ETAG, etag), (CACHE_CONTROL, caching.to_owned())])
            .into_response();
    }
    let kind = file.metadata.mimetype().to_owned();
    ([(CONTENT_TYPE, kind), (CACHE_CONTROL, caching.to_owned()), (ETAG, etag)], Body::from(file.data))
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn get(path: &str, accept: &'static str, known: Option<&str>) -> Response {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, accept.parse().unwrap());
        if let Some(known) = known {
            headers.insert(IF_NONE_MATCH, known.parse().unwrap());
        }
        serve(Method::GET, path.parse().unwrap(), headers).await
    }

    #[tokio::test]
    async fn a_browser_gets_the_application_at_any_address_of_its_own() {
        for path in ["/", "/wall", "/sessions/1/2"] {
            let response = get(path, "text/html,*/*", None).await;
            assert_eq!(response.status(), StatusCode::OK, "{path}");
            assert_eq!(response.headers()[CACHE_CONTROL], "no-cache");
            assert!(response.headers()[CONTENT_TYPE].to_str().unwrap().starts_with("text/html"));
        }
    }

    #[tokio::test]
    async fn a_known_page_is_not_sent_again() {
        let etag = get("/", "text/html", None).await.headers()[ETAG].to_str().unwrap().to_owned();

        let again = get("/", "text/html", Some(&etag)).await;

        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
    }

    #[tokio::test]
    async fn programs_and_their_addresses_are_never_answered_with_a_page() {
        for (path, accept) in [
            ("/wall", "application/json"),
            ("/api/v1/nothing", "text/html"),
            ("/v1/nothing", "text/html"),
            ("/livez/x", "text/html"),
            ("/assets/old.js", "text/html"),
        ] {
            assert_eq!(get(path, accept, None).await.status(), StatusCode::NOT_FOUND, "{path}");
        }
    }

    #[tokio::test]
    async fn the_front_page_is_there_for_whoever_asks() {
        assert_eq!(get("/", "*/*", None).await.status(), StatusCode::OK);
    }
}
