//! Steering a simulator while it runs: from the same process, or over `/_sim/…` from another.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use hyper::{Method, StatusCode};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::alert::{alert_id, index_of};
use crate::faults::Faults;
use crate::http::Answer;
use crate::knobs::Knobs;
use crate::population::Special;
use crate::serial;
use crate::ticks;
use crate::world::World;

/// Steers a simulator while it runs. Clones steer the same one.
#[derive(Clone)]
pub struct Control {
    world: Arc<World>,
}

/// An alert that is added by hand.
#[derive(Clone, Debug, Deserialize, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct NewAlert {
    /// When it was created.
    #[serde(with = "serial::instant")]
    pub created: DateTime<Utc>,
    /// Its update time.
    #[serde(with = "serial::instant")]
    pub updated: DateTime<Utc>,
    /// When the APIs begin to show it.
    #[serde(with = "serial::instant")]
    pub visible: DateTime<Utc>,
    /// What is difficult about it.
    #[serde(default)]
    pub special: Special,
}

impl NewAlert {
    /// An alert that comes into being, changes and shows at one time.
    pub fn at(time: DateTime<Utc>) -> Self {
        Self { created: time, updated: time, visible: time, special: Special::default() }
    }
}

impl Control {
    pub(crate) fn new(world: Arc<World>) -> Self {
        Self { world }
    }

    /// The simulated time.
    pub fn now(&self) -> DateTime<Utc> {
        ticks::to_utc(self.world.clock.now())
    }

    /// Sets the simulated time. Alerts that have shown stay shown if it goes back.
    pub fn set_time(&self, time: DateTime<Utc>) {
        self.world.clock.set(ticks::from_utc(time));
    }

    /// Lets so much simulated time pass at once.
    pub fn advance(&self, span: Duration) {
        self.world.clock.set(self.world.clock.now() + ticks::span(span));
    }

    /// Sets how many simulated seconds pass in one of ours.
    pub fn set_speed(&self, speed: f64) {
        self.world.clock.set_speed(speed);
    }

    /// Other faults from now on; the rules count their calls from here.
    pub fn set_faults(&self, faults: &Faults) {
        self.world.set_faults(faults);
    }

    /// Other knobs from now on.
    pub fn set_knobs(&self, knobs: Knobs) {
        self.world.change_knobs(|present| *present = knobs);
    }

    /// The knobs as they are.
    pub fn knobs(&self) -> Knobs {
        self.world.knobs()
    }

    /// Adds an alert to the tenant of this name. Answers its id, or `None` where there is no such tenant.
    pub fn add_alert(&self, tenant: &str, alert: &NewAlert) -> Option<String> {
        let tenant = self.world.tenant_of_name(tenant)?;
        let created = ticks::from_utc(alert.created);
        let mut holdings = tenant.holdings(self.world.clock.now());
        let index = holdings.add(created, ticks::from_utc(alert.updated), ticks::from_utc(alert.visible));
        if alert.special != Special::default() {
            tenant.set_special(index, alert.special.clone());
        }
        Some(alert_id(tenant.site.seed, index, created))
    }

    /// Updates an alert that the APIs show, at this update time, showing at once; false where there is none, or where
    /// its present update time is not earlier.
    pub fn update_alert(&self, tenant: &str, id: &str, updated: DateTime<Utc>) -> bool {
        let Some(tenant) = self.world.tenant_of_name(tenant) else { return false };
        let now = self.world.clock.now();
        let mut holdings = tenant.holdings(now);
        let index = index_of(tenant.site.seed, id);
        let shown = index.and_then(|index| holdings.alert(index));
        let own = shown.filter(|row| alert_id(tenant.site.seed, row.index, row.created) == id);
        let updated = ticks::from_utc(updated);
        own.filter(|row| row.updated < updated).is_some_and(|row| holdings.update(row.index, updated, now))
    }

    /// Makes an alert that the APIs show difficult, or easy again; false where there is none.
    pub fn set_special(&self, tenant: &str, id: &str, special: Special) -> bool {
        let Some(tenant) = self.world.tenant_of_name(tenant) else { return false };
        let Some(index) = index_of(tenant.site.seed, id) else { return false };
        let known = tenant.holdings(self.world.clock.now()).alert(index).is_some();
        if known {
            tenant.set_special(index, special);
        }
        known
    }

    /// The simulated time by which everything planned has shown, or `None` where activity never ends.
    pub fn rest_at(&self) -> Option<DateTime<Utc>> {
        let now = self.world.clock.now();
        let rests: Option<Vec<i64>> = self.world.tenants.iter().map(|tenant| tenant.holdings(now).rest()).collect();
        Some(ticks::to_utc(rests?.into_iter().max().unwrap_or(now)))
    }
}

/// What can be asked for over `/_sim/control`; all members are optional.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Wishes {
    faults: Option<Faults>,
    knobs: Option<Knobs>,
    clock: ClockWishes,
    add: Vec<Addition>,
    update: Vec<Update>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ClockWishes {
    set: Option<String>,
    speed: Option<f64>,
    #[serde(with = "serial::optional_seconds")]
    advance: Option<Duration>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Addition {
    tenant: String,
    alert: NewAlert,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Update {
    tenant: String,
    id: String,
}

/// Answers a call of the control path.
pub(crate) fn answer(world: &Arc<World>, method: &Method, path: &str, body: &[u8]) -> Answer {
    let control = Control::new(Arc::clone(world));
    match (method, path) {
        (&Method::GET, "record") => record(world),
        (&Method::GET, "clock") => clock(&control),
        (&Method::POST, "clock") => match serde_json::from_slice(body) {
            Ok(wishes) => set_clock(&control, &wishes).map_or_else(|message| refused(&message), |()| clock(&control)),
            Err(error) => refused(&error.to_string()),
        },
        (&Method::POST, "control") => match serde_json::from_slice(body) {
            Ok(wishes) => fulfil(&control, wishes).unwrap_or_else(|message| refused(&message)),
            Err(error) => refused(&error.to_string()),
        },
        _ => Answer::json(StatusCode::NOT_FOUND, &json!({"error": "GET record, GET or POST clock, POST control"})),
    }
}

fn record(world: &World) -> Answer {
    match world.write_record() {
        Ok(json) => Answer::new(StatusCode::OK, "application/json", json),
        Err(error) => {
            let message = format!("failed to write the record: {error}");
            Answer::json(StatusCode::INTERNAL_SERVER_ERROR, &json!({"error": message}))
        }
    }
}

fn clock(control: &Control) -> Answer {
    let now = ticks::text(control.world.clock.now());
    let rest = control.rest_at().map(|time| ticks::text(ticks::from_utc(time)));
    Answer::json(StatusCode::OK, &json!({"now": now, "speed": control.world.clock.speed(), "rest_at": rest}))
}

fn set_clock(control: &Control, wishes: &ClockWishes) -> Result<(), String> {
    if let Some(text) = &wishes.set {
        let time = ticks::parse(text).ok_or_else(|| format!("'{text}' is not a time"))?;
        control.world.clock.set(time);
    }
    if let Some(span) = wishes.advance {
        control.advance(span);
    }
    if let Some(speed) = wishes.speed {
        control.set_speed(speed);
    }
    Ok(())
}

fn fulfil(control: &Control, wishes: Wishes) -> Result<Answer, String> {
    set_clock(control, &wishes.clock)?;
    if let Some(faults) = &wishes.faults {
        control.set_faults(faults);
    }
    if let Some(knobs) = wishes.knobs {
        control.set_knobs(knobs);
    }
    let mut added = Vec::new();
    for addition in &wishes.add {
        let id = control.add_alert(&addition.tenant, &addition.alert);
        added.push(id.ok_or_else(|| format!("there is no tenant '{}'", addition.tenant))?);
    }
    for update in &wishes.update {
        if !control.update_alert(&update.tenant, &update.id, control.now()) {
            return Err(format!("there is no alert '{}' to update", update.id));
        }
    }
    Ok(Answer::json(StatusCode::OK, &json!({"now": ticks::text(control.world.clock.now()), "added": added})))
}

fn refused(message: &str) -> Answer {
    Answer::json(StatusCode::BAD_REQUEST, &json!({"error": message}))
}
