//! Passwords: argon2id, away from the threads that serve sockets, a few at a time.

use std::fmt;
use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use serde::Deserialize;
use tokio::sync::Semaphore;
use uuid::Uuid;

/// Characters a new password has at least, and bytes it has at most.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=1024;
/// Sign-ins that wait for a hash; one more is told to come back. At 20 ms a hash and two cores, under a second.
const WAITING_MAX: usize = 64;

/// A password in the clear. Never printed.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

/// Why a password was not hashed or compared.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Choose another.
    #[error("a password has at least 8 characters and at most 1024 bytes")]
    Length,
    /// Too many at once: come back in a moment.
    #[error("too many passwords are being checked at once")]
    Busy,
    /// The stored hash is damaged or the system gives no randomness.
    #[error("the password could not be hashed")]
    Hash(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Password {
    /// Takes a password as it was typed.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Hashes a new password with a salt of its own. Takes tens of milliseconds of one core.
    ///
    /// # Errors
    /// [`PasswordError::Length`] when it is too short or too long.
    pub fn hash(&self) -> Result<String, PasswordError> {
        if self.0.chars().count() < *LENGTH.start() || self.0.len() > *LENGTH.end() {
            return Err(PasswordError::Length);
        }
        Ok(Argon2::default().hash_password(self.0.as_bytes())?.to_string())
    }

    fn matches(&self, hash: &str) -> Result<bool, PasswordError> {
        let hash = PasswordHash::new(hash).map_err(|error| PasswordError::Hash(error.to_string().into()))?;
        match Argon2::default().verify_password(self.0.as_bytes(), &hash) {
            Ok(()) => Ok(true),
            Err(password_hash::Error::PasswordInvalid) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Password(…)")
    }
}

impl From<password_hash::Error> for PasswordError {
    fn from(error: password_hash::Error) -> Self {
        Self::Hash(error.to_string().into())
    }
}

/// Hashes passwords and compares them with hashes, as many at once as the machine has cores.
#[derive(Debug)]
pub struct Passwords {
    waiting: Semaphore,
    working: Arc<Semaphore>,
    /// Compared where there is no hash, so that an unknown name costs what a wrong password does.
    nobodys: Arc<str>,
}

impl Passwords {
    /// Makes ready; hashes once.
    ///
    /// # Errors
    /// When the system gives no randomness.
    pub fn new() -> Result<Self, PasswordError> {
        let cores = available_parallelism().map_or(1, usize::from);
        let nobodys = Password::new(Uuid::new_v4().to_string()).hash()?.into();
        Ok(Self {
            waiting: Semaphore::new(WAITING_MAX + cores),
            working: Arc::new(Semaphore::new(cores)),
            nobodys,
        })
    }

    /// Whether the password made `hash`. Without a hash the answer is no, after the same work.
    ///
    /// # Errors
    /// [`PasswordError::Busy`] when too many wait already.
    pub async fn verify(&self, password: Password, hash: Option<String>) -> Result<bool, PasswordError> {
        let _waiting = self.waiting.try_acquire().map_err(|_| PasswordError::Busy)?;
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let nobodys = Arc::clone(&self.nobodys);
        tokio::task::spawn_blocking(move || {
            let _working = working; // held by the work itself: an asker that hangs up frees no core
            match hash {
                Some(hash) => password.matches(&hash),
                None => password.matches(&nobodys).map(|_| false),
            }
        })
        .await
        .map_err(|error| PasswordError::Hash(error.into()))?
    }

    /// Hashes a new password, in its turn among those who sign in.
    ///
    /// # Errors
    /// See [`Password::hash`].
    pub async fn hash(&self, password: Password) -> Result<String, PasswordError> {
        let working = Arc::clone(&self.working).acquire_owned().await.map_err(|_| PasswordError::Busy)?;
        let hashed = tokio::task::spawn_blocking(move || {
            let _working = working;
            password.hash()
        });
        hashed.await.map_err(|error| PasswordError::Hash(error.into()))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_matches() {
        let passwords = Passwords::new().unwrap();
        let hash = Password::new("correct horse").hash().unwrap();

        assert!(hash.starts_with("$argon2id$"));
        assert!(passwords.verify(Password::new("correct horse"), Some(hash.clone())).await.unwrap());
        assert!(!passwords.verify(Password::new("wrong horse"), Some(hash)).await.unwrap());
        assert!(!passwords.verify(Password::new("correct horse"), None).await.unwrap());
    }

    #[tokio::test]
    async fn beyond_the_waiting_room_sign_ins_are_told_to_come_back() {
        let passwords = Passwords::new().unwrap();
        let _everyone = passwords.waiting.acquire_many(passwords.waiting.available_permits() as u32).await;

        let one_more = passwords.verify(Password::new("anything"), None).await;

        assert!(matches!(one_more, Err(PasswordError::Busy)));
    }

    #[test]
    fn a_short_password_is_refused() {
        assert!(matches!(Password::new("seven77").hash(), Err(PasswordError::Length)));
    }

    #[test]
    fn a_password_is_never_printed() {
        assert_eq!(format!("{:?}", Password::new("correct horse")), "Password(…)");
    }
}
