//! Who is calling: passwords are exchanged for a short access token and a refresh token that works once.

mod keys;
mod password;
mod refresh;
mod throttle;
mod tokens;

pub use keys::{KeyError, Keys};
pub use password::{Password, PasswordError, Passwords};
pub use refresh::RefreshTokens;
pub use tokens::{TokenError, Tokens};

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use spotter_protocol::{GymId, Role, Timestamp, UserId};

use crate::accounts::{AccountError, Accounts, User};
use throttle::Throttle;

/// Who a valid access token speaks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The account.
    pub user: UserId,
    /// Its gym: everything the caller may touch is in it.
    pub gym: GymId,
    /// What the user was in the gym when the token was made.
    pub role: Role,
    /// How often the user's password had been set anew when the token was made.
    pub generation: u32,
    /// When the token ends.
    pub expires_at: Timestamp,
}

/// What a successful sign-in answers. Its JSON is the API's.
#[derive(Debug, Serialize)]
pub struct SignedIn {
    /// Goes into `Authorization: Bearer …` and into `hello`.
    pub access_token: String,
    /// For how many seconds it is good.
    pub expires_in: u32,
    /// Exchanged once for the next pair.
    pub refresh_token: String,
    /// Who signed in.
    pub user: User,
}

/// Why nobody was signed in.
#[derive(Debug, thiserror::Error)]
pub enum SignInError {
    /// The gym, the e-mail or the password is wrong; which one is not told.
    #[error("the gym, the e-mail or the password is wrong")]
    BadCredentials,
    /// Unknown, used before or expired: sign in with the password.
    #[error("the refresh token is not good: sign in again")]
    BadRefreshToken,
    /// Too many failed of late, at this account or from this address: try again after the time.
    #[error("too many attempts: try again in {} s", .0.as_secs().max(1))]
    Throttled(Duration),
    /// Too many at once: try again in a moment.
    #[error("too many people are signing in at once")]
    Busy,
    /// Try again in a moment.
    #[error("sign-in is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Signs people in.
#[derive(Debug)]
pub struct SignIn {
    accounts: Accounts,
    passwords: Arc<Passwords>,
    tokens: Tokens,
    refresh: RefreshTokens,
    throttle: Throttle,
}

impl SignIn {
    /// Signs in by the given parts.
    pub fn new(
        accounts: Accounts,
        passwords: Arc<Passwords>,
        tokens: Tokens,
        refresh: RefreshTokens,
    ) -> Self {
        Self { accounts, passwords, tokens, refresh, throttle: Throttle::default() }
    }

    /// Signs in by password, for somebody at the address `from`. Takes the time of one hash whatever is wrong.
    ///
    /// # Errors
    /// [`SignInError::BadCredentials`], alike for a wrong gym, e-mail or password and for an account without one;
    /// [`SignInError::Throttled`], alike for accounts that exist and that do not.
    pub async fn with_password(
        &self,
        gym: &str,
        email: &str,
        password: Password,
        from: Option<IpAddr>,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        let attempt = self.throttle.admit(gym, email, from, now).map_err(SignInError::Throttled)?;
        let signed_in = self.by_password(gym, email, password, now).await;
        if !matches!(signed_in, Err(SignInError::BadCredentials)) {
            self.throttle.forgive(attempt);
        }
        signed_in
    }

    async fn by_password(
        &self,
        gym: &str,
        email: &str,
        password: Password,
        now: Timestamp,
    ) -> Result<SignedIn, SignInError> {
        let (user, hash) = match self.accounts.sign_in_row(gym, email).await? {
            Some(row) => (Some(row.user), row.password_hash),
            None => (None, None),
        };
        let is_right = self.passwords.verify(password, hash).await?;
        let user = user.filter(|_| is_right).ok_or(SignInError::BadCredentials)?;
        let refresh_token = self.refresh.issue(&user, now).await.map_err(unavailable)?;
        // None: the password was changed while it was compared.
        let refresh_token = refresh_token.ok_or(SignInError::BadCredentials)?;
        self.signed_in(user, refresh_token, now)
    }

    /// Exchanges a refresh token for a new pair.
    ///
    /// # Errors
    /// [`SignInError::BadRefreshToken`]; when the token was used before, its successors end with it.
    pub async fn with_refresh_token(&self, token: &str, now: Timestamp) -> Result<SignedIn, SignInError> {
        let rotated = self.refresh.rotate(token, now).await.map_err(unavailable)?;
        let (user, refresh_token) = rotated.ok_or(SignInError::BadRefreshToken)?;
        let user = self.accounts.user(user).await?.ok_or(SignInError::BadRefreshToken)?;
        self.signed_in(user, refresh_token, now)
    }

    fn signed_in(&self, user: User, refresh_token: String, now: Timestamp) -> Result<SignedIn, SignInError> {
        let access_token = self.tokens.mint(&user, now).map_err(unavailable)?;
        Ok(SignedIn { access_token, expires_in: self.tokens.ttl_s(), refresh_token, user })
    }
}

impl From<AccountError> for SignInError {
    fn from(error: AccountError) -> Self {
        unavailable(error)
    }
}

impl From<PasswordError> for SignInError {
    fn from(error: PasswordError) -> Self {
        match error {
            PasswordError::Busy => Self::Busy,
            PasswordError::Length | PasswordError::Hash(_) => unavailable(error),
        }
    }
}

fn unavailable(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> SignInError {
    SignInError::Unavailable(error.into())
}

#[cfg(test)]
pub(crate) mod tests {
    use spotter_protocol::Name;

    use crate::accounts::tests::{NOW, a_gym, a_user};
    use crate::accounts::{Gym, NewUser};
    use crate::db::Db;
    use crate::db::both::on_both;

    use super::*;

    /// Sign-in over a database, with keys that are made for it.
    pub(crate) fn a_sign_in(db: &Db) -> (SignIn, Tokens) {
        let folder = tempfile::tempdir().unwrap();
        let tokens = Tokens::new(&Keys::open(&folder.path().join("keys"), NOW).unwrap(), 900);
        let sign_in = SignIn::new(
            Accounts::new(db.clone()),
            Arc::new(Passwords::new().unwrap()),
            tokens.clone(),
            RefreshTokens::new(db.clone(), 3600),
        );
        (sign_in, tokens)
    }

    /// Adds `NAME@example.com` who signs in with `password`.
    pub(crate) async fn a_user_with_password(
        accounts: &Accounts,
        gym: &Gym,
        name: &str,
        role: Role,
        password: &str,
    ) -> User {
        let new = NewUser {
            email: format!("{name}@example.com").parse().unwrap(),
            name: Name::clipped(name),
            role,
            password_hash: Some(Password::new(password).hash().unwrap()),
        };
        accounts.add_users(gym, vec![new], NOW).await.unwrap().remove(0)
    }

    on_both! {
        a_new_password_ends_the_sign_ins_made_with_the_old_one
        an_account_without_a_password_signs_nobody_in
    }

    async fn a_new_password_ends_the_sign_ins_made_with_the_old_one(db: Db) {
        let (sign_in, _) = a_sign_in(&db);
        let accounts = Accounts::new(db);
        let gym = a_gym(&accounts, "north").await;
        let user = a_user_with_password(&accounts, &gym, "ada", Role::Athlete, "correct horse").await;
        let before = sign_in
            .with_password("north", "ada@example.com", Password::new("correct horse"), None, NOW)
            .await
            .unwrap();

        accounts.set_password(&user, &Password::new("battery staple").hash().unwrap()).await.unwrap();

        let refreshed = sign_in.with_refresh_token(&before.refresh_token, NOW).await;
        assert!(matches!(refreshed, Err(SignInError::BadRefreshToken)));
        let again = sign_in
            .with_password("north", "ADA@example.com", Password::new("battery staple"), None, NOW)
            .await;
        assert_eq!(again.unwrap().user.id, user.id);
    }

    async fn an_account_without_a_password_signs_nobody_in(db: Db) {
        let (sign_in, _) = a_sign_in(&db);
        let accounts = Accounts::new(db);
        let gym = a_gym(&accounts, "north").await;
        a_user(&accounts, &gym, "ada", Role::Athlete).await;

        let tried = sign_in.with_password("north", "ada@example.com", Password::new(""), None, NOW).await;

        assert!(matches!(tried, Err(SignInError::BadCredentials)));
    }
}
