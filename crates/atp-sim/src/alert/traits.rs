//! What can be said of an alert without writing it: the part that filters ask for.

use fastrand::Rng;

use crate::alert::Site;
use crate::alert::vocabulary::{HOSTILE, HOSTS, SCENARIOS, STATES, Scenario, USERS};
use crate::dice::{self, Topic, chance};

/// One alert in one revision, without its body.
pub(crate) struct Traits {
    pub(crate) scenario: &'static Scenario,
    pub(crate) user: &'static str,
    pub(crate) host: &'static str,
    pub(crate) oddity: Option<Oddity>,
    /// A text that attacks the formats, as it stands between the quotes of a JSON string.
    pub(crate) hostile: Option<&'static str>,
    pub(crate) incident_id: i64,
    pub(crate) investigation_id: Option<i64>,
    pub(crate) severity: &'static str,
    pub(crate) category: &'static str,
    pub(crate) status: &'static str,
    pub(crate) assigned_to: Option<&'static str>,
    pub(crate) investigation_state: &'static str,
}

/// In what way an alert is odd. All of these were seen at the real service, or will be.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Oddity {
    /// Empty strings where null is meant.
    EmptyStrings,
    /// The text "null" as category, null as description.
    NullText,
    /// No device at all.
    NoDevice,
    /// Optional members missing.
    OlderShape,
    /// Members and values that nobody knows yet.
    Unknown,
}

const ODDITIES: [Oddity; 5] =
    [Oddity::EmptyStrings, Oddity::NullText, Oddity::NoDevice, Oddity::OlderShape, Oddity::Unknown];

impl Traits {
    pub(crate) fn of(site: &Site, index: u32, revision: u16, hostile: bool) -> Self {
        let mut rng = dice::dice(site.seed, u64::from(index), Topic::Traits);
        let scenario = &SCENARIOS[rng.usize(..SCENARIOS.len())];
        let oddity = chance(&mut rng, site.odd).then(|| ODDITIES[rng.usize(..ODDITIES.len())]);
        let unknown = oddity == Some(Oddity::Unknown);
        let hostile_by_chance = chance(&mut rng, site.hostile);
        let attack = HOSTILE[(index as usize + rng.usize(..HOSTILE.len())) % HOSTILE.len()];
        Self {
            scenario,
            user: USERS[rng.usize(..USERS.len())],
            host: HOSTS[rng.usize(..HOSTS.len())],
            oddity,
            hostile: (hostile || hostile_by_chance).then_some(attack),
            incident_id: incident(index, &mut rng),
            investigation_id: rng.bool().then(|| 700_000 + i64::from(index)),
            severity: if unknown { "Catastrophic" } else { scenario.severity },
            category: if oddity == Some(Oddity::NullText) { "null" } else { scenario.category },
            status: status(revision),
            assigned_to: (revision > 0).then_some(if revision > 3 { "Automation" } else { "analyst@contoso.example" }),
            investigation_state: STATES[(index as usize + usize::from(revision)) % STATES.len()],
        }
    }
}

/// Every fifth alert belongs to one large incident, the others to small ones; some numbers need 64 bits.
fn incident(index: u32, rng: &mut Rng) -> i64 {
    match rng.u8(..100) {
        0..20 => 924_565,
        20..22 => 5_000_000_000 + i64::from(index),
        _ => 1_000 + i64::from(index) / 3,
    }
}

fn status(revision: u16) -> &'static str {
    match revision {
        0 => "New",
        1 | 2 => "InProgress",
        _ => "Resolved",
    }
}
