//! Whose names a caller may know.

use serde::Serialize;
use spotter_protocol::{Name, Role, UserId};

use super::{Denied, Policy, unavailable};
use crate::accounts::{Permissions, role_named};
use crate::auth::Caller;
use crate::db::{self, Row};

/// People named at once, in the order of their names; a gym with more needs pages.
const PEOPLE_MAX: i64 = 10_000;

/// Someone the caller may know of. Its JSON is the API's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Person {
    /// The account.
    pub id: UserId,
    /// What the person is called.
    pub name: Name,
    /// What they are in the gym.
    pub role: Role,
    /// What the active link between the two allows its coach; nothing without one.
    pub permissions: Permissions,
}

/// Where two coach each other, the link in which the caller is the coach counts.
macro_rules! select_people {
    ($condition:literal) => {
        concat!(
            "SELECT u.id, u.name, u.role, coalesce(c.permissions, a.permissions, '') AS permissions ",
            "FROM users u ",
            "LEFT JOIN links c ON c.coach = $1 AND c.athlete = u.id AND c.state = 'active' ",
            "LEFT JOIN links a ON a.coach = u.id AND a.athlete = $1 AND a.state = 'active' ",
            "WHERE u.gym = $2 AND ",
            $condition,
            " ORDER BY u.name, u.id LIMIT $3"
        )
    };
}

impl Policy {
    /// Those the caller may know of, by name: themselves, everyone on an active link with them, and for a gym
    /// owner the whole gym.
    ///
    /// # Errors
    /// [`Denied::Unavailable`] when the database does not answer.
    pub async fn visible_people(&self, caller: &Caller) -> Result<Vec<Person>, Denied> {
        let statement = match caller.role {
            Role::GymOwner => select_people!("TRUE"),
            Role::Athlete | Role::Coach | Role::Admin => select_people!(
                "u.id IN (SELECT $1
                          UNION SELECT athlete FROM links WHERE coach = $1 AND state = 'active'
                          UNION SELECT coach FROM links WHERE athlete = $1 AND state = 'active')"
            ),
        };
        let rows = db::query(statement)
            .bind(caller.user.0)
            .bind(caller.gym.0)
            .bind(PEOPLE_MAX)
            .fetch_all(&self.db.reader)
            .await
            .map_err(unavailable)?;
        rows.iter().map(person).collect::<Result<_, _>>().map_err(unavailable)
    }
}

fn person(row: &Row) -> Result<Person, sqlx::Error> {
    let role =
        role_named(&row.get::<String>("role")?).ok_or_else(|| db::unreadable("role", "no such role"))?;
    Ok(Person {
        id: UserId(row.get("id")?),
        name: Name::clipped(&row.get::<String>("name")?),
        role,
        permissions: db::parsed(row, "permissions")?,
    })
}
