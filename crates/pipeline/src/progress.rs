//! One line that says how far a run has come, on a terminal.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::status::{Condition, Status};

/// Shows progress on standard error until it is dropped; nothing where standard error is no terminal.
pub(crate) async fn show(status: Arc<Status>, bars: MultiProgress) {
    if !io::stderr().is_terminal() {
        return std::future::pending().await;
    }
    bars.set_draw_target(ProgressDrawTarget::stderr());
    let style = ProgressStyle::with_template("{spinner} {elapsed_precise} {msg}").expect("the template is a constant");
    let bar = bars.add(ProgressBar::new_spinner().with_style(style));
    loop {
        bar.set_message(line(&status));
        bar.tick();
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

/// `2 of 3 feeds read, 1204 rows, 1180 revisions; siem: 900 delivered; archive: 1180 delivered, waiting`
pub(crate) fn line(status: &Status) -> String {
    let feeds = status.feeds();
    let read = feeds.iter().filter(|feed| feed.condition.get() == Condition::Done).count();
    let rows: u64 = feeds.iter().map(|feed| feed.rows.get()).sum();
    let revisions: u64 = feeds.iter().map(|feed| feed.revisions.get()).sum();
    let mut line = format!("{read} of {} feeds read, {rows} rows, {revisions} revisions", feeds.len());
    for lane in status.lanes() {
        line.push_str(&format!("; {}: {} delivered", lane.name, lane.delivered));
        for (count, what) in [(&lane.filtered, "filtered out"), (&lane.dead_letters, "dead letters")] {
            if count.get() > 0 {
                line.push_str(&format!(", {count} {what}"));
            }
        }
        match lane.condition.get() {
            Condition::Halted(_) | Condition::TooManyDeadLetters(_) => line.push_str(", halted"),
            Condition::Waiting(_) => line.push_str(", waiting"),
            Condition::Done | Condition::Running => {}
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use journal::FeedName;

    use crate::status::FeedStatus;

    #[test]
    fn the_line_names_what_a_reader_must_know() {
        let status = Status::default();
        let name = FeedName { tenant_id: "t".into(), source: "alerts".into() };
        let feed = status.feed(&name, || FeedStatus::new("contoso", "alerts"));
        feed.condition.set(Condition::Done);
        feed.rows.add(12);
        feed.revisions.add(10);
        let lane = status.lane("siem");
        lane.delivered.add(7);
        lane.dead_letters.add(1);
        lane.condition.set(Condition::Waiting("x".into()));
        assert_eq!(
            line(&status),
            "1 of 1 feeds read, 12 rows, 10 revisions; siem: 7 delivered, 1 dead letters, waiting"
        );
    }
}
