//! Access tokens: signed claims (JWT, EdDSA), good for minutes, checked without the database.

use std::collections::BTreeMap;
use std::sync::Arc;

use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use spotter_protocol::{GymId, Role, Timestamp, UserId};

use super::{Caller, Keys};
use crate::accounts::User;

const ISSUER: &str = "spotter";
const AUDIENCE: &str = "spotter-api";
/// What the clocks of two nodes may differ by.
const LEEWAY_S: i64 = 5;
/// A longer token is none of ours.
const TOKEN_BYTES_MAX: usize = 1024;
const MICROS_PER_S: i64 = 1_000_000;

/// Why a token speaks for nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was good: get the next one with the refresh token.
    #[error("the access token has expired")]
    Expired,
    /// It never was good here: sign in.
    #[error("the access token is not valid")]
    Invalid,
}

/// Makes and checks access tokens.
#[derive(Clone)]
pub struct Tokens {
    kid: String,
    signs: EncodingKey,
    verifies: Arc<BTreeMap<String, DecodingKey>>,
    validation: Arc<Validation>,
    ttl_s: u32,
}

/// What a token says. Times are whole seconds, as RFC 7519 has them.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: UserId,
    gym: GymId,
    role: Role,
    /// Absent in tokens of earlier builds, made when nobody's password had been counted.
    #[serde(default)]
    generation: u32,
    iat: i64,
    exp: i64,
}

impl Tokens {
    /// Tokens signed by the newest of `keys`, good for `ttl_s` seconds.
    pub fn new(keys: &Keys, ttl_s: u32) -> Self {
        let (kid, signs) = keys.newest();
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        validation.validate_exp = false; // checked below, by the time we are given
        Self { kid, signs, verifies: Arc::new(keys.verifying()), validation: Arc::new(validation), ttl_s }
    }

    /// For how many seconds a new token is good.
    pub fn ttl_s(&self) -> u32 {
        self.ttl_s
    }

    /// Makes a token that speaks for `user` from `now` on.
    ///
    /// # Errors
    /// When the key cannot sign, which a key that was read can.
    pub fn mint(&self, user: &User, now: Timestamp) -> Result<String, jsonwebtoken::errors::Error> {
        let iat = now.0.div_euclid(MICROS_PER_S);
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            sub: user.id,
            gym: user.gym.id,
            role: user.role,
            generation: user.generation,
            iat,
            exp: iat + i64::from(self.ttl_s),
        };
        let header = Header { kid: Some(self.kid.clone()), ..Header::new(Algorithm::EdDSA) };
        jsonwebtoken::encode(&header, &claims, &self.signs)
    }

    /// Whom a token speaks for at `now`.
    ///
    /// # Errors
    /// [`TokenError::Expired`] only for a token that was good.
    pub fn verify(&self, token: &str, now: Timestamp) -> Result<Caller, TokenError> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(TokenError::Invalid);
        }
        let claims = self.claims(token).ok_or(TokenError::Invalid)?;
        let now_s = now.0.div_euclid(MICROS_PER_S);
        if claims.iat > now_s + LEEWAY_S {
            return Err(TokenError::Invalid);
        }
        if claims.exp.saturating_add(LEEWAY_S) <= now_s {
            return Err(TokenError::Expired);
        }
        let expires_at = Timestamp(claims.exp.saturating_mul(MICROS_PER_S));
        let Claims { sub: user, gym, role, generation, .. } = claims;
        Ok(Caller { user, gym, role, generation, expires_at })
    }

    /// The claims of a token whose key we know by name, signed by it with the one algorithm we use.
    fn claims(&self, token: &str) -> Option<Claims> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid?;
        let key = self.verifies.get(&kid)?;
        Some(jsonwebtoken::decode(token, key, &self.validation).ok()?.claims)
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tokens").field("kid", &self.kid).field("ttl_s", &self.ttl_s).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use spotter_protocol::Name;
    use uuid::Uuid;

    use crate::accounts::Gym;
    use crate::accounts::tests::NOW;

    use super::*;

    /// `{"alg":"none","typ":"JWT"}`
    const NO_ALGORITHM: &str = "eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0";

    fn some_tokens() -> Tokens {
        let dir = tempfile::tempdir().unwrap();
        Tokens::new(&Keys::open(&dir.path().join("keys"), NOW).unwrap(), 900)
    }

    fn a_user() -> User {
        let slug = "north".parse().unwrap();
        User {
            id: UserId(Uuid::from_u128(1)),
            name: Name::clipped("Ada"),
            email: "ada@example.com".parse().unwrap(),
            role: Role::Coach,
            generation: 3,
            gym: Gym { id: GymId(Uuid::from_u128(2)), slug, name: Name::clipped("North") },
        }
    }

    fn sound_claims() -> Claims {
        let iat = NOW.0 / MICROS_PER_S;
        Claims {
            iss: ISSUER.into(),
            aud: AUDIENCE.into(),
            sub: a_user().id,
            gym: a_user().gym.id,
            role: Role::Coach,
            generation: 3,
            iat,
            exp: iat + 900,
        }
    }

    fn header(tokens: &Tokens, algorithm: Algorithm) -> Header {
        Header { kid: Some(tokens.kid.clone()), ..Header::new(algorithm) }
    }

    fn signed(tokens: &Tokens, claims: &impl Serialize) -> String {
        jsonwebtoken::encode(&header(tokens, Algorithm::EdDSA), claims, &tokens.signs).unwrap()
    }

    #[test]
    fn a_token_speaks_for_its_user_until_it_expires() {
        let tokens = some_tokens();
        let token = tokens.mint(&a_user(), NOW).unwrap();

        let caller = tokens.verify(&token, NOW).unwrap();

        assert_eq!(
            caller,
            Caller {
                user: a_user().id,
                gym: a_user().gym.id,
                role: Role::Coach,
                generation: 3,
                expires_at: NOW.shifted(900 * MICROS_PER_S),
            }
        );
        assert!(tokens.verify(&token, NOW.shifted(904 * MICROS_PER_S)).is_ok(), "within the leeway");
        assert_eq!(tokens.verify(&token, NOW.shifted(905 * MICROS_PER_S)), Err(TokenError::Expired));
    }

    #[test]
    fn every_forged_token_is_invalid() {
        let tokens = some_tokens();
        let good = tokens.mint(&a_user(), NOW).unwrap();
        let (good_header, rest) = good.split_once('.').unwrap();
        let (payload, signature) = rest.split_once('.').unwrap();
        let public_key = tokens.verifies[&tokens.kid].try_get_as_bytes().unwrap();
        let by_secret = |secret: &[u8]| {
            let key = EncodingKey::from_secret(secret);
            jsonwebtoken::encode(&header(&tokens, Algorithm::HS256), &sound_claims(), &key).unwrap()
        };
        let admin = signed(&tokens, &Claims { role: Role::Admin, ..sound_claims() });
        let other_payload = admin.split('.').nth(1).unwrap();
        let unsigned_kid = Header { kid: None, ..Header::new(Algorithm::EdDSA) };
        let missing = |claim: &str| {
            let mut claims = serde_json::to_value(sound_claims()).unwrap();
            claims.as_object_mut().unwrap().remove(claim);
            signed(&tokens, &claims)
        };

        let forged = [
            ("no algorithm", format!("{NO_ALGORITHM}.{payload}.")),
            ("no algorithm, old signature", format!("{NO_ALGORITHM}.{payload}.{signature}")),
            ("the public key as a shared secret", by_secret(public_key)),
            ("another payload under the signature", format!("{good_header}.{other_payload}.{signature}")),
            ("no signature", format!("{good_header}.{payload}.")),
            ("the key of another installation", some_tokens().mint(&a_user(), NOW).unwrap()),
            (
                "the right name on another key",
                signed(&Tokens { kid: tokens.kid.clone(), ..some_tokens() }, &sound_claims()),
            ),
            ("no key named", jsonwebtoken::encode(&unsigned_kid, &sound_claims(), &tokens.signs).unwrap()),
            ("another audience", signed(&tokens, &Claims { aud: "someone".into(), ..sound_claims() })),
            ("another issuer", signed(&tokens, &Claims { iss: "someone".into(), ..sound_claims() })),
            (
                "made in the future",
                signed(&tokens, &Claims { iat: NOW.0 / MICROS_PER_S + 60, ..sound_claims() }),
            ),
            ("no end", missing("exp")),
            ("no audience", missing("aud")),
            ("no issuer", missing("iss")),
            ("no gym", missing("gym")),
            ("not a token", "hello".to_owned()),
            ("nothing", String::new()),
            ("too long", "a".repeat(TOKEN_BYTES_MAX + 1)),
        ];

        assert!(tokens.verify(&signed(&tokens, &sound_claims()), NOW).is_ok(), "the claims are sound");
        for (how, token) in forged {
            assert_eq!(tokens.verify(&token, NOW), Err(TokenError::Invalid), "{how}");
        }
    }

    #[test]
    fn an_expired_forgery_is_invalid_and_not_expired() {
        let (ours, theirs) = (some_tokens(), some_tokens());
        let token = theirs.mint(&a_user(), NOW).unwrap();

        assert_eq!(ours.verify(&token, NOW.shifted(3600 * MICROS_PER_S)), Err(TokenError::Invalid));
    }
}
