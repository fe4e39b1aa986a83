//! Who trains and coaches in the demo.

use spotter_protocol::Workout;

use crate::workouts;

/// The password of every account of the demo.
pub const PASSWORD: &str = "spotter-demo";

const COACHES: [&str; 3] = ["Maya Lindgren", "Tomás Herrera", "Grace Okonkwo"];

const ATHLETES: [&str; 40] = [
    "Ana Silva",
    "Ben Carter",
    "Chloé Dubois",
    "Dmitri Volkov",
    "Elena Rossi",
    "Farid Haddad",
    "Greta Nilsson",
    "Hugo Meyer",
    "Ines Carvalho",
    "Jonas Berg",
    "Keiko Tanaka",
    "Liam O’Connor",
    "Mateo García",
    "Nadia Rahman",
    "Oskar Nowak",
    "Priya Nair",
    "Quentin Moreau",
    "Rosa Jiménez",
    "Sam Whitfield",
    "Tariq Aziz",
    "Una Byrne",
    "Viktor Horváth",
    "Wanjiru Kamau",
    "Xin Li",
    "Yara Mansour",
    "Zoë de Vries",
    "Amara Okafor",
    "Bruno Costa",
    "Cem Yılmaz",
    "Daria Popescu",
    "Emil Johansson",
    "Fatou Diop",
    "Goran Petrović",
    "Hana Kim",
    "Ivan Marković",
    "Jade Thompson",
    "Kofi Mensah",
    "Lucía Fernández",
    "Milo Janssen",
    "Noor Khan",
];

/// An account of the demo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// What it signs in with.
    pub email: String,
    /// The person's name.
    pub name: String,
}

/// The demo's gym.
#[derive(Clone, Debug)]
pub struct DemoGym {
    /// Its short name.
    pub slug: &'static str,
    /// Its name.
    pub name: &'static str,
    /// The coaches.
    pub coaches: Vec<Account>,
    /// The athletes.
    pub athletes: Vec<Account>,
    /// Who coaches whom: e-mail of the coach, e-mail of the athlete.
    pub links: Vec<(String, String)>,
    /// What is prescribed there.
    pub workouts: Vec<Workout>,
}

impl DemoGym {
    /// The demo's gym: the first coach sees everybody, the others half each.
    ///
    /// # Errors
    /// When the data it is made from is damaged.
    pub fn build() -> anyhow::Result<Self> {
        let coach = |(place, name): (usize, &&str)| account(format!("coach{}", place + 1), name);
        let coaches: Vec<Account> = COACHES.iter().enumerate().map(coach).collect();
        let athlete = |(place, name): (usize, &&str)| account(format!("athlete{}", place + 1), name);
        let athletes: Vec<Account> = ATHLETES.iter().enumerate().map(athlete).collect();
        let mut links = Vec::new();
        for (place, athlete) in athletes.iter().enumerate() {
            let second = &coaches[1 + place % (coaches.len() - 1)];
            links.push((coaches[0].email.clone(), athlete.email.clone()));
            links.push((second.email.clone(), athlete.email.clone()));
        }
        let workouts = workouts::all()?;
        Ok(Self { slug: "demo", name: "Demo Gym", coaches, athletes, links, workouts })
    }
}

fn account(mailbox: String, name: &str) -> Account {
    Account { email: format!("{mailbox}@demo.example"), name: name.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn the_first_coach_sees_everybody_and_the_others_share_them() {
        let gym = DemoGym::build().unwrap();
        let of = |coach: usize| {
            let links = gym.links.iter().filter(|(email, _)| *email == gym.coaches[coach].email);
            links.map(|(_, athlete)| athlete.clone()).collect::<HashSet<_>>()
        };
        let everybody: HashSet<_> = gym.athletes.iter().map(|account| account.email.clone()).collect();

        assert_eq!((gym.coaches.len(), everybody.len()), (3, 40));
        assert_eq!(of(0), everybody);
        assert!(of(1).is_disjoint(&of(2)));
        assert_eq!(of(1).len() + of(2).len(), everybody.len());
    }
}
