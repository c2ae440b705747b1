//! `demo`: a simulated tenant inside this process, read like a real one.

use std::fs;
use std::path::Path;

use atp_sim::{Options, Population, Simulator, TenantOptions};
use atp_source::Mode;
use pipeline_file::plan::Plan;

use crate::cli::{DemoArgs, DemoFormat};
use crate::commands::run::{forward, report, stop_on_signals};
use crate::exit::{Failure, FailureKind};
use crate::signal::signal;

pub(crate) async fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let failed = |error| Failure::because(FailureKind::Failed, "failed to set up the demo", &error);
    let folder = tempfile::tempdir().map_err(failed)?;
    let tenant = TenantOptions::named("contoso").with_alerts(alerts(args));
    let options = Options { seed: args.seed, tenants: vec![tenant.clone()], ..Options::default() };
    let simulator = Simulator::start(options).await.map_err(failed)?;
    let plan = plan(folder.path(), &simulator, &tenant, args.format)?;
    introduce(&simulator, args);

    let (stop, stopped) = signal();
    stop_on_signals(stop)?;
    let mode = if args.alerts.is_some() { Mode::Once } else { Mode::Forever };
    let ended = forward(&plan, || Ok(plan.clone()), mode, &stopped, None).await;
    simulator.stop().await.map_err(failed)?;
    match ended {
        // Whoever looked has seen enough: `demo | head`.
        Err(failure) if failure.is_reader_gone() => Ok(()),
        ended => report(&*ended?, false),
    }
}

/// A few alerts to begin with and a new or changed one every few seconds; or exactly as many as were asked for.
fn alerts(args: &DemoArgs) -> Population {
    match args.alerts {
        Some(count) => Population::at_rest(u32::try_from(count).unwrap_or(u32::MAX)),
        None => Population { backlog: 12, per_minute: 20.0, odd: 0.2, hostile: 0.1, ..Population::default() },
    }
}

/// The pipeline file of the demo is checked like any other.
fn plan(folder: &Path, simulator: &Simulator, tenant: &TenantOptions, format: DemoFormat) -> Result<Plan, Failure> {
    let failed = |error| Failure::because(FailureKind::Failed, "failed to set up the demo", &error);
    let (tenant_id, client_id) = (&tenant.tenant_id, &tenant.client_id);
    let (authority, mde) = (simulator.authority_url(), simulator.mde_url());
    let format = match format {
        DemoFormat::Cef => "cef",
        DemoFormat::Json => "json",
    };
    let yaml = format!(
        "tenants:\n  contoso:\n    tenant_id: {tenant_id}\n    client_id: {client_id}\n    \
         client_secret: {{ file: contoso.secret }}\n    \
         endpoints: {{ authority: \"{authority}\", mde: \"{mde}\" }}\n\
         sources:\n  alerts: {{ mde_alerts: {{ poll_every: 2s, start: 7d }} }}\n\
         journal: {{ embedded: {{ path: ./journal }} }}\n\
         sinks:\n  terminal: {{ format: {format}, file: {{ path: \"-\" }} }}\n"
    );
    fs::write(folder.join("contoso.secret"), &tenant.client_secret).map_err(failed)?;
    let file = folder.join("pipeline.yaml");
    fs::write(&file, yaml).map_err(failed)?;
    pipeline_file::load(&file).map_err(|faults| Failure::new(FailureKind::Failed, faults.to_string()))
}

fn introduce(simulator: &Simulator, args: &DemoArgs) {
    eprintln!("A simulated Entra and Defender answer on {}; tenant contoso, seed {}.", simulator.url(), args.seed);
    match args.alerts {
        Some(count) => eprintln!("{count} alerts follow.\n"),
        None => eprintln!("Alerts follow as they are raised and updated; Ctrl-C ends.\n"),
    }
}
