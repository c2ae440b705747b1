use hyper::header::HeaderValue;
use proptest::prelude::*;

use super::*;

const RULE: Acknowledgement =
    Acknowledgement { ask_after: Duration::from_secs(1), give_up_after: Duration::from_secs(300) };

fn session(channel: &'static str, cookies: &'static str) -> Arc<Session> {
    let value = HeaderValue::from_static;
    Arc::new(Session { channel: Some(value(channel)), cookies: Some(value(cookies)) })
}

/// Guarantee: an acknowledgement counts in its own session only, and once.
#[test]
fn acknowledgements_are_not_mixed() {
    let (now, one, two) = (Instant::now(), session("one", ""), session("two", ""));
    let mut acks = Acks::new(RULE);
    assert!(acks.wait_for(&one, 0, "first of one", now).is_empty());
    assert!(acks.wait_for(&two, 0, "first of two", now).is_empty());
    assert!(acks.acknowledge(&two, &[1, 2]).is_empty());
    assert_eq!(acks.acknowledge(&two, &[0]), ["first of two"]);
    assert!(acks.acknowledge(&two, &[0]).is_empty());
    assert_eq!(acks.questions(), [(one, vec![0])]);
}

/// Guarantee: an id that a channel gives out twice, under whatever cookies, acknowledges nothing.
#[test]
fn an_id_given_out_twice_acknowledges_nothing() {
    let (now, before, moved) = (Instant::now(), session("one", "lb=1"), session("one", "lb=2"));
    let mut acks = Acks::new(RULE);
    acks.wait_for(&before, 3, "old", now);
    acks.wait_for(&before, 4, "other", now);
    assert_eq!(acks.wait_for(&moved, 3, "new", now), ["old", "new"]);
    assert!(acks.acknowledge(&moved, &[3]).is_empty() && acks.acknowledge(&before, &[3]).is_empty());
    assert_eq!(acks.acknowledge(&before, &[4]), ["other"]);
    assert_eq!(acks.due(), None);
}

/// Guarantee: questions are asked at growing waits, which shrink again with an acknowledgement.
#[test]
fn questions_become_rarer_while_nothing_comes() {
    let (mut now, one) = (Instant::now(), session("one", ""));
    let mut acks = Acks::new(RULE);
    acks.wait_for(&one, 0, (), now);
    acks.wait_for(&one, 1, (), now);
    let mut waits = Vec::new();
    for _ in 0..7 {
        let due = acks.due().unwrap();
        waits.push((due - now).as_secs());
        now = due;
        acks.asked(now);
    }
    assert_eq!(waits, [1, 1, 2, 4, 8, 10, 10]);
    acks.acknowledge(&one, &[0]);
    acks.asked(now);
    assert_eq!(acks.due().unwrap() - now, RULE.ask_after);
}

/// Guarantee: what is never acknowledged is given up in time, and what is in doubt after a few answers.
#[test]
fn what_is_not_acknowledged_is_given_up() {
    let (now, one, two) = (Instant::now(), session("one", ""), session("two", ""));
    let mut acks = Acks::new(RULE);
    acks.wait_for(&one, 0, "in doubt", now);
    acks.wait_for(&two, 0, "late", now);
    acks.doubt(|session| *session == *one, now);
    for _ in 0..4 {
        assert!(acks.overdue(now).is_empty());
        acks.heard(&one);
        acks.heard(&two);
    }
    assert_eq!(acks.overdue(now), ["in doubt"]);
    assert!(acks.overdue(now + Duration::from_secs(299)).is_empty());
    assert_eq!(acks.overdue(now + Duration::from_secs(300)), ["late"]);
    assert!(acks.is_empty());
}

/// What can happen to the waits.
#[derive(Clone, Debug)]
enum Event {
    Acknowledge(usize, u64),
    Doubt(usize),
    Heard(usize),
    Lose(usize),
    Overdue,
    Wait(usize, u64),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..4_usize, 0..5_u64).prop_map(|(session, id)| Event::Wait(session, id)),
        (0..4_usize, 0..5_u64).prop_map(|(session, id)| Event::Acknowledge(session, id)),
        (0..4_usize).prop_map(Event::Doubt),
        (0..4_usize).prop_map(Event::Heard),
        (0..4_usize).prop_map(Event::Lose),
        Just(Event::Overdue),
    ]
}

proptest! {
    /// Guarantee: whatever happens, everything that waits comes back exactly once or still waits, and only what was
    /// acknowledged in the session that it waits in comes back as acknowledged.
    #[test]
    fn everything_comes_back_once(events in prop::collection::vec(event(), 0..120)) {
        let sessions = [session("a", "1"), session("a", "2"), session("b", "1"), session("b", "2")];
        let now = Instant::now();
        let mut acks = Acks::new(RULE);
        let (mut next, mut back) = (0_u32, Vec::new());
        for event in events {
            let came = match event {
                Event::Wait(session, id) => {
                    next += 1;
                    acks.wait_for(&sessions[session], id, (next, session, id), now)
                }
                Event::Acknowledge(session, id) => {
                    let came = acks.acknowledge(&sessions[session], &[id]);
                    prop_assert!(came.iter().all(|(_, of, which)| (*of, *which) == (session, id)));
                    prop_assert!(came.len() <= 1);
                    came
                }
                Event::Doubt(session) => {
                    acks.doubt(|meant| *meant == *sessions[session], now);
                    Vec::new()
                }
                Event::Heard(session) => {
                    acks.heard(&sessions[session]);
                    Vec::new()
                }
                Event::Lose(session) => acks.lose(&sessions[session]),
                Event::Overdue => acks.overdue(now),
            };
            back.extend(came.into_iter().map(|(number, _, _)| number));
        }
        back.extend(sessions.iter().flat_map(|session| acks.lose(session)).map(|(number, _, _)| number));
        back.sort_unstable();
        prop_assert_eq!(back, (1..=next).collect::<Vec<_>>());
        prop_assert!(acks.is_empty() && acks.due().is_none());
    }
}
