//! `validate`: the file, and what it refers to.

use std::path::Path;

use pipeline_file::plan::Plan;

use crate::cli::ValidateArgs;
use crate::exit::{Failure, FailureKind};

pub(crate) fn validate(file: &Path, plan: &Plan, args: &ValidateArgs) -> Result<(), Failure> {
    let missing = if args.offline { Vec::new() } else { missing(plan) };
    if !missing.is_empty() {
        let message = format!("{}: what it refers to cannot be read\n{}", file.display(), missing.join("\n"));
        return Err(Failure::new(FailureKind::FileWrong, message));
    }
    let enabled: Vec<_> = plan.tenants.iter().filter(|tenant| tenant.enabled).collect();
    let feeds: usize = enabled.iter().map(|tenant| tenant.sources.len()).sum();
    eprintln!(
        "{}: valid; tenants: {}, feeds: {feeds}, sinks: {}, journal: {}",
        file.display(),
        enabled.len(),
        plan.sinks.len(),
        plan.journal.path.display()
    );
    Ok(())
}

/// What the file refers to and this machine does not have, a sentence each.
fn missing(plan: &Plan) -> Vec<String> {
    let mut missing = Vec::new();
    for tenant in plan.tenants.iter().filter(|tenant| tenant.enabled) {
        if let Err(error) = tenant.client_secret.read() {
            missing.push(format!("  tenants.{}: the client secret: {error}", tenant.name));
        }
        if let Some(Err(error)) = tenant.ca.as_ref().map(std::fs::metadata) {
            missing.push(format!("  tenants.{}: endpoints.ca: {error}", tenant.name));
        }
    }
    missing
}
