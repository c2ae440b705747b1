//! A simulator: its listeners and its world.

use std::fmt::Write;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::{self, JoinSet};

use crate::control::Control;
use crate::http::{Authority, Face, serve};
use crate::options::Options;
use crate::record::Record;
use crate::world::{Urls, World};

/// How long [`Simulator::record`] waits for answers that are on their way out.
const PATIENCE: Duration = Duration::from_millis(200);

/// Entra and Defender in small. It serves until it is stopped or dropped.
pub struct Simulator {
    world: Arc<World>,
    options: Options,
    address: SocketAddr,
    stop: watch::Sender<bool>,
    listeners: JoinSet<()>,
}

impl Simulator {
    /// Makes the alerts, binds the listeners and serves. Fails when an address is taken, a file cannot be written, or
    /// two tenants have the same id.
    pub async fn start(options: Options) -> io::Result<Self> {
        let main = TcpListener::bind(options.listen).await?;
        let export = TcpListener::bind(options.export_listen).await?;
        let stranger = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = main.local_addr()?;
        let authority = make_authority(&options, &[address, export.local_addr()?])?;
        let scheme = if authority.is_some() { "https" } else { "http" };
        let url = |listener: &TcpListener| Ok::<_, io::Error>(format!("{scheme}://{}", listener.local_addr()?));
        let urls = Urls { main: url(&main)?, export: url(&export)?, stranger: url(&stranger)? };
        let making = options.clone();
        // A million alerts take a moment of computing.
        let world = task::spawn_blocking(move || World::new(&making, urls)).await.map_err(io::Error::other)??;
        let world = Arc::new(world);
        let (stop, stopped) = watch::channel(false);
        let mut listeners = JoinSet::new();
        for (face, listener) in [(Face::Main, main), (Face::Export, export), (Face::Stranger, stranger)] {
            let tls = authority.as_ref().map(|authority| authority.acceptor.clone());
            listeners.spawn(serve(Arc::clone(&world), face, listener, tls, stopped.clone()));
        }
        Ok(Self { world, options, address, stop, listeners })
    }

    /// Where Entra and the public API listen.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base address of Entra and the public API, without a slash at the end.
    pub fn url(&self) -> String {
        self.world.urls.main.clone()
    }

    /// The base address of Entra.
    pub fn authority_url(&self) -> String {
        self.url()
    }

    /// The base address of the public API.
    pub fn mde_url(&self) -> String {
        self.url()
    }

    /// The base address of the legacy export.
    pub fn export_url(&self) -> String {
        self.world.urls.export.clone()
    }

    /// The base address of the listener of another origin, which redirects and foreign links lead to.
    pub fn stranger_url(&self) -> String {
        self.world.urls.stranger.clone()
    }

    /// What it was started with.
    pub fn options(&self) -> &Options {
        &self.options
    }

    /// What was sent completely, and what is shown now. An answer whose bytes are just going out is waited for.
    pub fn record(&self) -> Record {
        let step = Duration::from_millis(1);
        let mut waited = Duration::ZERO;
        while self.world.ledger().unflushed > 0 && waited < PATIENCE {
            thread::sleep(step);
            waited += step;
        }
        self.world.record()
    }

    /// Steers it while it runs.
    pub fn control(&self) -> Control {
        Control::new(Arc::clone(&self.world))
    }

    /// A pipeline file that reads all its tenants and writes CEF to the terminal. Secrets are named, not written: see
    /// [`Simulator::secrets`].
    pub fn pipeline_file(&self) -> String {
        let mut file = String::from("version: 1\ntenants:\n");
        for tenant in &self.options.tenants {
            let _ = write!(
                file,
                "  {}:\n    tenant_id: {}\n    client_id: {}\n    client_secret: {{ env: {} }}\n    endpoints:\n      \
                 authority: {}\n      mde: {}\n      export: {}\n",
                tenant.name,
                tenant.tenant_id,
                tenant.client_id,
                secret_variable(&tenant.name),
                self.authority_url(),
                self.mde_url(),
                self.export_url(),
            );
            if let Some(tls) = &self.options.tls {
                let _ = writeln!(file, "      ca: {}", tls.ca_file.display());
            }
        }
        file.push_str("sources:\n  alerts: { mde_alerts: {} }\n  detections: { alerts_export: {} }\n");
        file.push_str("sinks:\n  terminal: { for: arcsight, file: { path: \"-\" } }\n");
        file
    }

    /// The environment variables that the pipeline file names, with the tenants' secrets.
    pub fn secrets(&self) -> Vec<(String, String)> {
        let tenants = self.options.tenants.iter();
        tenants.map(|tenant| (secret_variable(&tenant.name), tenant.client_secret.clone())).collect()
    }

    /// Stops serving, and writes the record where the options say.
    pub async fn stop(mut self) -> io::Result<()> {
        let _ = self.stop.send(true);
        while self.listeners.join_next().await.is_some() {}
        if self.options.record_file.is_some() {
            self.world.write_record()?;
        }
        Ok(())
    }
}

fn make_authority(options: &Options, addresses: &[SocketAddr]) -> io::Result<Option<Authority>> {
    let Some(tls) = &options.tls else { return Ok(None) };
    let authority = Authority::make(addresses)?;
    std::fs::write(&tls.ca_file, &authority.certificate_pem)?;
    Ok(Some(authority))
}

fn secret_variable(tenant: &str) -> String {
    let upper = tenant.to_uppercase();
    let name: String = upper.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    format!("ATP_SIM_SECRET_{name}")
}
