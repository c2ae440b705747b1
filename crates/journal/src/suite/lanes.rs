//! Lanes that are set while the journal runs: where they begin, what they take, how they leave.

use super::{Harness, append, drain, feed_name, lane, lane_of, next, numbers, of, open, open_feed, page, settles};
use crate::{JournalError, LanePlan, LaneStart, Target};

pub(super) async fn run(harness: &mut impl Harness) {
    begins_new_lanes_where_the_plan_says(harness).await;
    wakes_and_counts_only_what_is_taken(harness).await;
    changes_what_is_taken(harness).await;
    takes_over_marks_of_a_former_name(harness).await;
    renames_to_a_name_that_is_free_again(harness).await;
    refuses_to_leave_a_backlog(harness).await;
    skips_what_waits(harness).await;
}

/// Guarantee: a new lane begins with everything or with nothing that is there, as the plan says, and with everything
/// of a feed that comes later. It begins while others run, and only once.
async fn begins_new_lanes_where_the_plan_says(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a")]).await;
    append(&journal, page(open_feed(&journal, 0).await, 0..10)).await;
    let mut reader = of(&journal, "a").reader();
    let run = next(reader.as_mut(), 1).await;
    let plan = [lane("a"), LanePlan { start: LaneStart::Now, ..lane("now") }, lane("all")];
    journal.set_lanes(&plan).await.expect("lanes are set while it runs");
    let waiting = |journal: &std::sync::Arc<dyn crate::Journal>| ["now", "all"].map(|name| of(journal, name).waiting());
    assert_eq!(waiting(&journal), [0, 10]);
    assert_eq!(drain(reader.as_mut(), 9).await[0], numbers(&run)[0] + 1, "a reader goes on where it was");
    drop((reader, journal));

    let journal = open(harness, &plan).await;
    assert_eq!(waiting(&journal), [0, 10], "a lane begins only once");
    append(&journal, page(open_feed(&journal, 1).await, [20])).await;
    assert_eq!(waiting(&journal), [1, 11]);
    assert_eq!(numbers(&next(of(&journal, "now").reader().as_mut(), 1_000).await), [20]);
    let standings = journal.standings().await.expect("it says where lanes stand");
    let names: Vec<&str> = standings.iter().map(|standing| standing.lane.name.as_str()).collect();
    assert_eq!(names, ["a", "now", "all"], "in the order of the plan");
    assert!(standings.iter().all(|standing| standing.in_plan && standing.waiting_since.is_some()));
}

/// Guarantee: a lane sees the feeds that it takes, and nothing of the others: neither as a run, nor as backlog, nor by
/// being woken.
async fn wakes_and_counts_only_what_is_taken(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane_of("one", &[1]), lane_of("two", &[2]), lane("all")]).await;
    for number in 0..3_usize {
        let from = number as u64 * 10;
        append(&journal, page(open_feed(&journal, number).await, from..from + 5)).await;
    }
    assert_eq!(["one", "two", "all"].map(|name| of(&journal, name).waiting()), [5, 5, 15]);
    for (name, expected) in [("one", 10..15), ("two", 20..25)] {
        let mut reader = of(&journal, name).reader();
        assert_eq!(drain(reader.as_mut(), 5).await, Vec::from_iter(expected));
        assert!(super::is_idle(reader.as_mut()).await);
        let run = next(of(&journal, name).reader().as_mut(), 100_000).await;
        of(&journal, name).settle(settles(&run)).await.expect("a settlement is taken");
        assert_eq!(of(&journal, name).waiting(), 0);
    }
    drop(journal);
    let journal = open(harness, &[lane_of("one", &[1]), lane_of("two", &[2]), lane("all")]).await;
    assert_eq!(["one", "two", "all"].map(|name| of(&journal, name).waiting()), [0, 0, 15], "after a crash too");
}

/// Guarantee: a feed that a lane comes to take begins for it with what comes from then on; one that it takes no longer
/// counts as filtered out.
async fn changes_what_is_taken(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane_of("a", &[0]), lane("all")]).await;
    let (zero, one) = (open_feed(&journal, 0).await, open_feed(&journal, 1).await);
    append(&journal, page(zero, 0..3)).await;
    append(&journal, page(one, 10..14)).await;
    let mut reader = of(&journal, "a").reader();
    journal.set_lanes(&[lane_of("a", &[1]), lane("all")]).await.expect("the lanes are set");
    let standings = journal.standings().await.expect("it says where lanes stand");
    assert_eq!((standings[0].waiting, standings[0].filtered), (0, 3));
    append(&journal, page(zero, [4])).await;
    append(&journal, page(one, [14, 15])).await;
    assert_eq!(drain(reader.as_mut(), 2).await, [14, 15]);
    assert_eq!(["a", "all"].map(|name| of(&journal, name).waiting()), [2, 10]);
    drop((reader, journal));
    let journal = open(harness, &[lane_of("a", &[0, 1]), lane("all")]).await;
    append(&journal, page(zero, [5])).await;
    assert_eq!(of(&journal, "a").waiting(), 3, "what came meanwhile was not its own");
    let mut all = drain(of(&journal, "a").reader().as_mut(), 3).await;
    all.sort_unstable();
    assert_eq!(all, [5, 14, 15]);
}

/// Guarantee: a lane that was renamed goes on where it was; a former name that nobody had is refused, but by a journal
/// that never had a lane.
async fn takes_over_marks_of_a_former_name(harness: &mut impl Harness) {
    harness.reset().await;
    let renamed = |from: &str| LanePlan { renamed_from: Some(from.into()), ..lane("new") };
    let journal = harness.open().await;
    journal
        .set_lanes(&[LanePlan { renamed_from: Some("never".into()), ..lane("old") }])
        .await
        .expect("nothing is lost");
    let old = of(&journal, "old").id();
    append(&journal, page(open_feed(&journal, 0).await, 0..2)).await;
    let run = next(of(&journal, "old").reader().as_mut(), 1).await;
    of(&journal, "old").settle(settles(&run)).await.expect("a settlement is taken");
    let refused = journal.set_lanes(&[renamed("typo")]).await;
    assert!(matches!(refused, Err(JournalError::NoFormerLane { .. })), "{refused:?}");
    assert_eq!(of(&journal, "old").waiting(), 1, "nothing has changed");
    journal.set_lanes(&[renamed("old")]).await.expect("a lane is renamed while it runs");
    assert_eq!((of(&journal, "new").id(), of(&journal, "new").waiting()), (old, 1));
    drop(journal);
    let journal = open(harness, &[renamed("old")]).await;
    assert_eq!((of(&journal, "new").id(), of(&journal, "new").waiting()), (old, 1), "once is enough");
}

/// Guarantee: a lane that takes the name of one that had left goes on where it was itself.
async fn renames_to_a_name_that_is_free_again(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a"), lane("b")]).await;
    append(&journal, page(open_feed(&journal, 0).await, 0..100)).await;
    let a = of(&journal, "a").id();
    let run = next(of(&journal, "a").reader().as_mut(), 4_000).await;
    of(&journal, "a").settle(settles(&run)).await.expect("a settlement is taken");
    let left = 100 - run.entries.len() as u64;
    let b = of(&journal, "b").id();
    journal.skip(b, "it leaves").await.expect("it is skipped");
    journal.set_lanes(&[lane("a")]).await.expect("nothing waits for b");
    for _ in 0..2 {
        journal
            .set_lanes(&[LanePlan { renamed_from: Some("a".into()), ..lane("b") }])
            .await
            .expect("a lane is renamed");
        assert_eq!((of(&journal, "b").id(), of(&journal, "b").waiting()), (a, left), "nothing is skipped");
    }
}

/// Guarantee: a backlog never vanishes by an edit of the plan: what leaves with something waiting is refused, by name and
/// number, and nothing has changed; put back, taken over or given up, it goes on.
async fn refuses_to_leave_a_backlog(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a"), lane("b")]).await;
    append(&journal, page(open_feed(&journal, 0).await, 0..10)).await;
    let expect_refusal = |refused: Result<(), JournalError>| match refused {
        Err(JournalError::LeftWaiting { lanes }) => {
            assert_eq!((lanes.len(), lanes[0].lane.name.as_str(), lanes[0].waiting), (1, "a", 10));
        }
        other => panic!("{other:?}"),
    };
    expect_refusal(journal.set_lanes(&[lane("b"), lane("c")]).await);
    assert!(journal.lane("c").is_none(), "nothing has changed");
    assert_eq!(of(&journal, "a").waiting(), 10);
    drop(journal);
    let journal = harness.open().await;
    expect_refusal(journal.set_lanes(&[lane("b")]).await);
    let a = journal.standings().await.expect("it says where lanes stand");
    let a = a.iter().find(|standing| standing.lane.name == "a").expect("it is known").lane.id;
    let taken_over = LanePlan { renamed_from: Some("a".into()), ..lane("c") };
    journal.set_lanes(&[lane("b"), taken_over]).await.expect("c takes it over");
    assert_eq!((of(&journal, "c").id(), of(&journal, "c").waiting()), (a, 10));
}

/// Guarantee: what is given up is counted, comes no more, and lets the lane leave; what comes later comes.
async fn skips_what_waits(harness: &mut impl Harness) {
    harness.reset().await;
    let journal = open(harness, &[lane("a"), lane("b")]).await;
    let feed = open_feed(&journal, 0).await;
    append(&journal, page(feed, 0..10)).await;
    append(&journal, crate::Append { to: Target::BackFill, ..page(feed, 20..25) }).await;
    let a = of(&journal, "a").id();
    let mut reader = of(&journal, "a").reader();
    next(reader.as_mut(), 1).await;
    assert_eq!(journal.skip(a, "the SIEM is gone").await.expect("it is skipped"), 15);
    assert_eq!(journal.skip(a, "again").await.expect("it is skipped"), 0);
    append(&journal, page(feed, [30])).await;
    assert_eq!(numbers(&next(reader.as_mut(), 1_000).await), [30], "a reader that is open hands out none of it");
    drop((reader, journal));
    let journal = open(harness, &[lane("a"), lane("b")]).await;
    assert_eq!(["a", "b"].map(|name| of(&journal, name).waiting()), [1, 16]);
    assert_eq!(numbers(&next(of(&journal, "a").reader().as_mut(), 1_000).await), [30]);
    let standing = journal.standings().await.expect("it says where lanes stand").swap_remove(0);
    assert_eq!((standing.skipped, standing.waiting, standing.delivered), (15, 1, 0));
    assert_eq!(feed_name(0), next(of(&journal, "a").reader().as_mut(), 1_000).await.entries[0].feed.name);
}
