//! Alerts as an API gives them now, read beside the journal and remembered nowhere.

use atp_source::{Feed, Mode, Step};
use pipeline_file::plan::{Plan, SourcePlan, TenantPlan};
use transform::Shape;

use super::input::Alert;
use crate::exit::{Failure, FailureKind};
use crate::registry::Sources;

/// The latest alerts of one answer of a tenant's API: at most `count` of its first source that has any.
pub(super) async fn read(plan: &Plan, tenant: &TenantPlan, count: u32) -> Result<Vec<Alert>, Failure> {
    let failed = |fault| Failure::from_fault(FailureKind::Failed, &fault);
    let mut sources = Sources::new(plan, Mode::Once).map_err(failed)?;
    for source in &tenant.sources {
        let mut options = sources.feed(tenant, source);
        options.page_size = count;
        let application = sources.application(tenant).map_err(failed)?;
        let mut feed = Feed::new(application, options, None, None).map_err(failed)?;
        let alerts = first_page(&mut feed, source, count).await?;
        if !alerts.is_empty() {
            return Ok(alerts);
        }
    }
    let name = &tenant.name;
    Err(Failure::new(FailureKind::Failed, format!("tenant `{name}` has no alert as far back as its sources `start`")))
}

/// The rows of the first answer that has some; none where the API has none.
async fn first_page(feed: &mut Feed, source: &SourcePlan, count: u32) -> Result<Vec<Alert>, Failure> {
    let shape = Shape::from_source_kind(source.kind.key()).expect("every kind of source has its shape");
    loop {
        match feed.next().await.map_err(|fault| Failure::from_fault(FailureKind::Failed, &fault))? {
            Step::Page(page) if page.rows.is_empty() => feed.appended(&[]),
            Step::Page(page) => {
                // Rows come in the order of their update times.
                let latest = page.rows.iter().rev().take(count as usize).rev();
                let raw = latest.map(|row| String::from_utf8_lossy(&row.bytes).into_owned());
                return Ok(raw.map(|raw| Alert { shape, raw }).collect());
            }
            Step::Wait(wait) => tokio::time::sleep(wait).await,
            Step::Done => return Ok(Vec::new()),
        }
    }
}
