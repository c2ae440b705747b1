//! What librdkafka calls back: outcomes, errors, log lines, and for a token.

use std::error::Error;
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::client::{ClientContext, OAuthToken};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::types::RDKafkaErrorCode;
use secrecy::ExposeSecret;

use crate::flights::Flights;
use crate::options::TokenSupplier;

/// The callbacks of a producer.
pub(crate) struct Watch {
    pub(crate) flights: Flights,
    tokens: Option<Arc<dyn TokenSupplier>>,
    complaint: Mutex<Option<Complaint>>,
}

/// What a connection to a broker has failed of.
#[derive(Clone, Debug)]
pub(crate) struct Complaint {
    pub(crate) code: RDKafkaErrorCode,
    pub(crate) reason: String,
}

impl Watch {
    pub(crate) fn new(flights: Flights, tokens: Option<Arc<dyn TokenSupplier>>) -> Self {
        Self { flights, tokens, complaint: Mutex::new(None) }
    }

    /// The last error of a connection.
    pub(crate) fn last_complaint(&self) -> Option<Complaint> {
        self.complaint.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Something was written: what was complained of before has passed.
    pub(crate) fn forget_complaint(&self) {
        *self.complaint.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }
}

impl ClientContext for Watch {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let Some(code) = error.rdkafka_error_code() else { return };
        tracing::debug!(code = ?code, reason, "librdkafka has met an error");
        if code == RDKafkaErrorCode::Fatal {
            self.flights.trouble();
            return;
        }
        let mut complaint = self.complaint.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down says less than why the last of them is.
        if code != RDKafkaErrorCode::AllBrokersDown || complaint.is_none() {
            *complaint = Some(Complaint { code, reason: reason.to_owned() });
        }
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        token(self.tokens.as_ref())
    }
}

fn token(tokens: Option<&Arc<dyn TokenSupplier>>) -> Result<OAuthToken, Box<dyn Error>> {
    let token = tokens.ok_or("no token was configured")?.token()?;
    Ok(OAuthToken {
        token: token.secret.expose_secret().to_owned(),
        principal_name: token.principal,
        lifetime_ms: token.expires_at.timestamp_millis(),
    })
}

impl ProducerContext for Watch {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        if let Err((error, _)) = result {
            self.flights.fail(number, error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown));
        }
        self.flights.land(number);
    }
}

/// The callbacks of a consumer.
pub(crate) struct Reading {
    pub(crate) tokens: Option<Arc<dyn TokenSupplier>>,
}

impl ClientContext for Reading {
    const ENABLE_REFRESH_OAUTH_TOKEN: bool = true;

    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = error.to_string(), reason, "librdkafka has met an error");
    }

    fn generate_oauth_token(&self, _: Option<&str>) -> Result<OAuthToken, Box<dyn Error>> {
        token(self.tokens.as_ref())
    }
}

impl ConsumerContext for Reading {}

/// The callbacks of a client that only asks.
pub(crate) struct Quiet;

impl ClientContext for Quiet {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, text: &str) {
        log(level, facility, text);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(error = error.to_string(), reason, "librdkafka has met an error");
    }
}

/// What matters to a person comes as a fault with advice; these lines are for whoever looks closer.
fn log(level: RDKafkaLogLevel, facility: &str, text: &str) {
    match level {
        RDKafkaLogLevel::Debug => tracing::trace!(facility, text, "librdkafka says"),
        _ => tracing::debug!(facility, text, level = ?level, "librdkafka says"),
    }
}
