//! Reading completely.

use std::time::Duration;

use atp_sim::{
    Clock, ExportShape, Fault, Faults, Knobs, Links, Options, Poison, Population, RowOrder, Simulator, Special,
    TenantOptions, TopAboveCap,
};
use atp_source::{FeedOptions, Mode};

use crate::reader::{Reader, export, mde, sent_and_shown};

const MINUTE: Duration = Duration::from_secs(60);

async fn simulator(alerts: Population, knobs: Knobs, faults: Faults, speed: f64) -> Simulator {
    let tenants = vec![TenantOptions::named("contoso").with_alerts(alerts)];
    let clock = Clock { speed, ..Clock::default() };
    Simulator::start(Options { tenants, knobs, faults, clock, ..Options::default() }).await.unwrap()
}

fn backlog() -> Population {
    Population { backlog: 3_000, ties: 750, ties_created_together: 250, ..Population::at_rest(3_000) }
}

/// Reads once and checks that exactly what the simulator sent was handed out, and that it is all there is to see.
async fn read_all(simulator: &Simulator, options: FeedOptions, source: &str) -> Reader {
    let mut reader = Reader::of(simulator, options);
    reader.read_once().await;
    let [sent, shown] = sent_and_shown(simulator, "contoso", source);
    let mut had = reader.revisions(false);
    had.extend(reader.revisions(true));
    assert_eq!(had, sent, "what was sent is not what was handed out");
    assert!(shown.is_subset(&had), "{} shown revisions are missing", shown.difference(&had).count());
    reader
}

/// Scenario: a backlog, a quarter of it at one update time, a third of that at one creation time too, alerts updated
/// while it is read, and one call in seven answered 429, 502 or cut.
/// Guarantee: every revision that was sent completely is handed out, and every alert's last one.
#[tokio::test]
async fn a_backlog_is_read_under_fire() {
    let alerts = Population { live_updates: 300, live_updates_within: 2 * MINUTE, ..backlog() };
    let faults = vec![Fault::TooManyRequests { retry_after: None }, Fault::BadGateway, Fault::Cut];
    let simulator = simulator(alerts, Knobs::default(), Faults::every_nth(7, faults), 30.0).await;
    let tenant = simulator.options().tenants[0].clone();
    let reader = read_all(&simulator, mde(&simulator, &tenant), "mde_alerts").await;
    assert!(!reader.faults.is_empty());
    // On a slow machine there is an update during every pass over the crowd: then it is owed, and the sweep asks again.
    let owed = reader.feed.status().owed;
    assert!(owed.iter().all(|debt| debt.reason.contains("changed in every pass")), "{owed:?}");
}

/// Scenario: the process dies again and again, each time with the checkpoint it had kept.
/// Guarantee: everything shown is handed out.
#[tokio::test]
async fn a_backlog_is_read_through_deaths() {
    let simulator = simulator(backlog(), Knobs::default(), Faults::none(), 1.0).await;
    let tenant = simulator.options().tenants[0].clone();
    let mut reader = Reader::of(&simulator, mde(&simulator, &tenant));
    for steps in 1..12 {
        for _ in 0..steps {
            reader.step().await;
        }
        reader.restart();
    }
    reader.read_once().await;
    let [sent, shown] = sent_and_shown(&simulator, "contoso", "mde_alerts");
    assert_eq!(reader.revisions(false), sent);
    assert!(shown.is_subset(&sent));
}

/// Guarantee: no order of rows, no hidden or refused page size and no kind of link makes it miss a row or follow one.
#[tokio::test]
async fn uncertain_behaviour_costs_no_row() {
    let cases = [
        Knobs { order: RowOrder::OldestFirst, ..Knobs::default() },
        Knobs { order: RowOrder::Shuffled, silent_cap: Some(60), ..Knobs::default() },
        Knobs { order: RowOrder::NewestCreatedFirst, gzip: false, ..Knobs::default() },
        Knobs { row_cap: 50, top_above_cap: TopAboveCap::Refused, ..Knobs::default() },
        Knobs { row_cap: 50, top_above_cap: TopAboveCap::Clamped, ..Knobs::default() },
        Knobs { links: Links::Foreign, links_with_top: true, ..Knobs::default() },
        Knobs { links: Links::Looping, links_with_top: true, ..Knobs::default() },
        Knobs { links: Links::Malformed, links_with_top: true, ..Knobs::default() },
    ];
    for knobs in cases {
        let alerts = Population { ties: 150, ..Population::at_rest(600) };
        let simulator = simulator(alerts, knobs.clone(), Faults::none(), 1.0).await;
        let tenant = simulator.options().tenants[0].clone();
        let reader = read_all(&simulator, mde(&simulator, &tenant), "mde_alerts").await;
        assert_eq!(reader.feed.status().owed, [], "{knobs:?}");
        let record = simulator.record();
        assert_eq!((record.stranger_calls, record.stranger_tokens), (0, 0), "{knobs:?}");
    }
}

/// Guarantee: the export is read completely whichever bounds it means and however it writes its rows.
#[tokio::test]
async fn the_export_is_read_completely() {
    let cases = [
        Knobs::default(),
        Knobs { since_inclusive: false, until_inclusive: true, ..Knobs::default() },
        Knobs { since_inclusive: false, until_inclusive: false, export_shape: ExportShape::Value, ..Knobs::default() },
        Knobs { export_shape: ExportShape::SingleObject, order: RowOrder::Shuffled, ..Knobs::default() },
        Knobs { export_shape: ExportShape::ArrayOrEmptyValue, ..Knobs::default() },
    ];
    for knobs in cases {
        let simulator = simulator(Population::at_rest(800), knobs, Faults::none(), 1.0).await;
        let tenant = simulator.options().tenants[0].clone();
        let options = FeedOptions { page_size: 100, ..export(&simulator, &tenant) };
        read_all(&simulator, options, "alerts_export").await;
    }
}

/// Scenario: steady load for nine hours, polled each minute, some alerts up to ten minutes late, some from the future,
/// some on whole minutes. Guarantee: everything is delivered, within twelve rows fetched for each row delivered.
#[tokio::test]
async fn steady_load_is_read_frugally() {
    let alerts = Population {
        per_minute: 4.0,
        late: 0.1,
        from_future: 0.05,
        on_boundary: 0.2,
        updated: 0.3,
        stop_after: Some(540 * MINUTE),
        ..Population::at_rest(400)
    };
    let simulator = simulator(alerts, Knobs::default(), Faults::none(), 0.0).await;
    let tenant = simulator.options().tenants[0].clone();
    let poll_every = Duration::from_millis(30);
    let mut reader =
        Reader::of(&simulator, FeedOptions { mode: Mode::Forever, poll_every, ..mde(&simulator, &tenant) });
    reader.read_for(&simulator.control(), MINUTE, 720 * MINUTE).await;
    let [sent, shown] = sent_and_shown(&simulator, "contoso", "mde_alerts");
    assert_eq!(reader.revisions(false), sent);
    assert!(shown.is_subset(&sent), "{} are missing", shown.difference(&sent).count());
    let status = reader.feed.status();
    println!("{} rows fetched for {} delivered in {} calls", status.rows_fetched, status.rows_new, status.calls);
    assert!(status.rows_fetched <= 12 * status.rows_new);
    assert!(status.lateness.is_some());
}

/// Scenario: alerts that fail every answer they are in, in each way; one of 16 MiB, one nested 10,000 deep, one with
/// lone surrogates. Guarantee: all others are delivered; the difficult ones too, as far as they can be had; what
/// cannot be had is owed.
#[tokio::test]
async fn difficult_alerts_hold_nothing_up() {
    let special = |poison| Special { poison: Some(poison), ..Special::default() };
    let surrogates =
        r#"{"id":"$ID","alertCreationTime":"$CREATED","lastUpdateTime":"$UPDATED","title":"\ud83d \udc00"}"#;
    let specials = [
        (10, special(Poison::Expanded)),
        (120, special(Poison::ExpandedInCompany)),
        (200, Special { description_bytes: 16 << 20, ..Special::default() }),
        (201, Special { depth: 10_000, ..Special::default() }),
        (202, Special { body: Some(surrogates.to_owned()), ..Special::default() }),
    ];
    let alerts = Population { special: specials.into_iter().collect(), ..Population::at_rest(300) };
    let simulator = simulator(alerts, Knobs::default(), Faults::none(), 1.0).await;
    let tenant = simulator.options().tenants[0].clone();
    let reader = read_all(&simulator, mde(&simulator, &tenant), "mde_alerts").await;
    assert_eq!(reader.revisions(false).len(), 299);
    assert_eq!(reader.revisions(true).difference(&reader.revisions(false)).count(), 1);
    let owed = reader.feed.status().owed;
    assert_eq!(owed.len(), 1, "{owed:?}");
    assert!(owed[0].what.starts_with("the evidence of alert da"), "{owed:?}");
}

/// Scenario: an alert that cannot be had at all. Guarantee: all others are, and its span is owed.
#[tokio::test]
async fn an_alert_that_cannot_be_had_is_owed() {
    let special = [(150, Special { poison: Some(Poison::Always), ..Special::default() })].into_iter().collect();
    let alerts = Population { special, ..Population::at_rest(300) };
    let simulator = simulator(alerts, Knobs::default(), Faults::none(), 1.0).await;
    let tenant = simulator.options().tenants[0].clone();
    let mut reader = Reader::of(&simulator, mde(&simulator, &tenant));
    reader.read_once().await;
    let [_, shown] = sent_and_shown(&simulator, "contoso", "mde_alerts");
    assert_eq!(shown.difference(&reader.revisions(false)).count(), 1);
    let owed = reader.feed.status().owed;
    assert_eq!(owed.len(), 1, "{owed:?}");
    assert!(owed[0].what.starts_with("update times from"), "{owed:?}");
}
