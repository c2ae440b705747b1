//! `dead-letters`: what destinations refused, looked at, sent again, given up. It opens the journal itself, so no
//! instance may be running.

mod shown;

use std::io::{self, ErrorKind, Write};
use std::sync::Arc;

use journal::{DeadLetterCount, DeadLetters, EmbeddedJournal, StoredDeadLetter};
use pipeline_file::plan::Plan;

use self::shown::Shown;
use crate::cli::{ChosenLetters, DeadLettersCommand, ListLettersArgs, ShowLetterArgs};
use crate::exit::{Failure, FailureKind};
use crate::registry;
use crate::tenants::Tenants;

pub(crate) async fn dead_letters(plan: &Plan, command: &DeadLettersCommand) -> Result<(), Failure> {
    if !EmbeddedJournal::is_in(&plan.journal.path) {
        let path = plan.journal.path.display();
        return Err(failed(format!("there is no journal in {path} yet, and so no dead letter")));
    }
    let journal = EmbeddedJournal::open(registry::journal(plan)).await?;
    let desk = Desk { journal: Arc::clone(&journal), tenants: Tenants::new(plan) };
    let done = match command {
        DeadLettersCommand::List(args) => desk.list(args).await,
        DeadLettersCommand::Show(args) => desk.show(args).await,
        DeadLettersCommand::Replay(chosen) => desk.replay(chosen).await,
        DeadLettersCommand::Drop(chosen) => desk.drop(chosen).await,
    };
    journal.close().await;
    done
}

/// What the commands work with.
struct Desk {
    journal: Arc<EmbeddedJournal>,
    tenants: Tenants,
}

/// Dead letters of one lane, by their numbers.
struct Chosen {
    lane: DeadLetterCount,
    numbers: Vec<i64>,
}

impl Desk {
    async fn list(&self, args: &ListLettersArgs) -> Result<(), Failure> {
        let lanes = self.lanes(args.sink.as_deref()).await?;
        let mut listed = Vec::new();
        for lane in &lanes {
            let letters = self.journal.dead_letters(lane.lane.id, 0, args.limit - listed.len()).await?;
            listed.extend(letters.iter().map(|letter| self.shown(lane, letter)));
        }
        if args.json {
            return print(&listed.iter().map(|letter| letter.json(false) + "\n").collect::<String>());
        }
        print(&(shown::table(&listed) + &shown::summary(&lanes, listed.len())))
    }

    async fn show(&self, args: &ShowLetterArgs) -> Result<(), Failure> {
        for lane in self.lanes(None).await? {
            if let Some(letter) = self.letter(&lane, args.number).await? {
                let shown = self.shown(&lane, &letter);
                return print(&if args.json { shown.json(true) + "\n" } else { shown.page() });
            }
        }
        Err(no_letter(args.number))
    }

    async fn replay(&self, chosen: &ChosenLetters) -> Result<(), Failure> {
        let chosen = self.chosen(chosen).await?;
        if let Some(gone) = chosen.iter().find(|chosen| !chosen.lane.in_plan) {
            let sink = &gone.lane.lane.name;
            return Err(failed(format!(
                "sink {sink} has left the file, so nobody would get its dead letters: put it back, or drop them"
            )));
        }
        for Chosen { lane, numbers } in chosen {
            let count = self.journal.replay(lane.lane.id, &numbers).await?;
            let sink = &lane.lane.name;
            tracing::info!(sink, count, ?numbers, "dead letters are to be replayed");
            print(&format!("{sink}: {} will be sent again by the next run\n", shown::letters(count)))?;
        }
        Ok(())
    }

    async fn drop(&self, chosen: &ChosenLetters) -> Result<(), Failure> {
        for Chosen { lane, numbers } in self.chosen(chosen).await? {
            let count = self.journal.drop_dead_letters(lane.lane.id, &numbers).await?;
            let sink = &lane.lane.name;
            tracing::warn!(sink, count, ?numbers, "dead letters were dropped");
            print(&format!("{sink}: {} dropped\n", shown::letters(count)))?;
        }
        Ok(())
    }

    /// The lanes that may have dead letters: all, or the one of a name.
    async fn lanes(&self, sink: Option<&str>) -> Result<Vec<DeadLetterCount>, Failure> {
        let mut lanes = self.journal.dead_letter_counts().await?;
        lanes.retain(|lane| sink.is_none_or(|sink| lane.lane.name == sink));
        match sink {
            Some(sink) if lanes.is_empty() => {
                Err(failed(format!("no sink of the file is named {sink}, and none that has left it with dead letters")))
            }
            _ => Ok(lanes),
        }
    }

    /// What was chosen, each letter of which is there.
    async fn chosen(&self, chosen: &ChosenLetters) -> Result<Vec<Chosen>, Failure> {
        let mut found: Vec<Chosen> = Vec::new();
        for lane in self.lanes(chosen.sink.as_deref()).await? {
            let numbers = if chosen.numbers.is_empty() {
                self.numbers(&lane).await?
            } else {
                self.numbers_of(&lane, &chosen.numbers).await?
            };
            found.push(Chosen { lane, numbers });
        }
        let missing = |number: &&i64| found.iter().all(|found| !found.numbers.contains(number));
        match chosen.numbers.iter().find(missing) {
            Some(number) => Err(no_letter(*number)),
            None => {
                found.retain(|found| !found.numbers.is_empty() || chosen.sink.is_some());
                Ok(found)
            }
        }
    }

    /// The numbers of all letters of a lane.
    async fn numbers(&self, lane: &DeadLetterCount) -> Result<Vec<i64>, Failure> {
        let mut numbers = Vec::new();
        loop {
            let after = numbers.last().copied().unwrap_or_default();
            let page = self.journal.dead_letters(lane.lane.id, after, PAGE).await?;
            if page.is_empty() {
                return Ok(numbers);
            }
            numbers.extend(page.iter().map(|letter| letter.id));
        }
    }

    /// Those of some numbers that are letters of a lane.
    async fn numbers_of(&self, lane: &DeadLetterCount, numbers: &[i64]) -> Result<Vec<i64>, Failure> {
        let mut found = Vec::new();
        for number in numbers {
            if self.letter(lane, *number).await?.is_some() {
                found.push(*number);
            }
        }
        Ok(found)
    }

    async fn letter(&self, lane: &DeadLetterCount, number: i64) -> Result<Option<StoredDeadLetter>, Failure> {
        let found = self.journal.dead_letters(lane.lane.id, number.saturating_sub(1), 1).await?.pop();
        Ok(found.filter(|letter| letter.id == number))
    }

    fn shown(&self, lane: &DeadLetterCount, letter: &StoredDeadLetter) -> Shown {
        let tenant_id = &letter.entry.feed.name.tenant_id;
        let tenant = self.tenants.find(tenant_id).map_or_else(|| tenant_id.clone(), |tenant| tenant.name.to_string());
        Shown::new(&lane.lane.name, tenant, letter)
    }
}

fn failed(sentence: String) -> Failure {
    Failure::new(FailureKind::Failed, sentence)
}

fn no_letter(number: i64) -> Failure {
    failed(format!("there is no dead letter {number}; see `atp-forwarder dead-letters list`"))
}

fn print(text: &str) -> Result<(), Failure> {
    match io::stdout().write_all(text.as_bytes()) {
        // Whoever read it has had enough: `dead-letters list | head`.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::because(FailureKind::Failed, "failed to print dead letters", &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}

/// Letters that are read together, with all they hold.
const PAGE: usize = 200;
