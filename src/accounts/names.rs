//! The forms of what people are called in files and on the command line.

use std::fmt;
use std::str::FromStr;

use serde::Serialize;
use spotter_protocol::{LinkPermission, Role};

use crate::db::{self, Row};

/// How people name a gym when they sign in: 1 to 40 characters of `a`–`z`, `0`–`9` and `-`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Slug(String);

/// An e-mail address in lower case, at most 254 bytes.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(transparent)]
pub struct Email(String);

/// What a link allows its coach: names joined by commas, each once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Permissions(Vec<LinkPermission>);

impl Slug {
    /// The slug as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Email {
    /// The address as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Permissions {
    /// What a link allows when nobody says otherwise.
    pub fn usual() -> Self {
        [LinkPermission::ViewSessions, LinkPermission::Message, LinkPermission::LogSets].into_iter().collect()
    }

    /// Whether the link allows it.
    pub fn allow(&self, permission: LinkPermission) -> bool {
        self.0.contains(&permission)
    }
}

impl FromIterator<LinkPermission> for Permissions {
    fn from_iter<I: IntoIterator<Item = LinkPermission>>(wanted: I) -> Self {
        let wanted: Vec<_> = wanted.into_iter().collect();
        Self(LinkPermission::ALL.into_iter().filter(|permission| wanted.contains(permission)).collect())
    }
}

impl FromStr for Slug {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-';
        if text.is_empty() || text.len() > 40 || !text.bytes().all(allowed) {
            return Err("a slug is 1 to 40 characters of a-z, 0-9 and -");
        }
        Ok(Self(text.to_owned()))
    }
}

impl FromStr for Email {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = text.split_once('@').is_some_and(|(name, host)| {
            !name.is_empty() && !host.is_empty() && !host.contains('@') && text.len() <= 254
        });
        if !form || text.chars().any(|c| c.is_whitespace() || c.is_control() || c == ',') {
            return Err("an e-mail address is name@host, without spaces or commas");
        }
        Ok(Self(text.to_lowercase()))
    }
}

impl FromStr for Permissions {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.split(',')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| {
                LinkPermission::ALL.into_iter().find(|permission| permission.as_str() == name).ok_or_else(
                    || {
                        let known = LinkPermission::ALL.map(LinkPermission::as_str).join(", ");
                        format!("`{name}` is no permission: choose from {known}")
                    },
                )
            })
            .collect()
    }
}

impl fmt::Display for Slug {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.0.iter().map(|permission| permission.as_str()).collect();
        f.write_str(&names.join(","))
    }
}

/// The role of that name.
pub fn role_named(name: &str) -> Option<Role> {
    Role::ALL.into_iter().find(|role| role.as_str() == name)
}

/// Reads a column that names a role.
pub(super) fn role_of(row: &Row, column: &str) -> Result<Role, sqlx::Error> {
    role_named(&row.get::<String>(column)?).ok_or_else(|| db::unreadable(column, "no such role"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_email_is_the_same_in_any_case() {
        assert_eq!("Ada@Example.COM".parse::<Email>(), "ada@example.com".parse());
    }

    #[test]
    fn what_is_no_email_is_refused() {
        for text in ["", "ada", "@example.com", "ada@", "a@b@c", "a b@c", "a,b@c"] {
            assert!(text.parse::<Email>().is_err(), "{text}");
        }
    }

    #[test]
    fn permissions_read_back_from_their_text() {
        let permissions: Permissions = "message, view_sessions,message".parse().unwrap();
        assert_eq!(permissions.to_string(), "view_sessions,message");
        assert!("fly".parse::<Permissions>().unwrap_err().contains("log_sets"));
    }
}
