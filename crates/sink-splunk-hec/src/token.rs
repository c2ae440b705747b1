//! The token that all connections share.

use std::sync::Arc;

use fault::Fault;
use hyper::header::HeaderValue;
use secrecy::ExposeSecret;
use tokio::sync::Mutex;

use crate::options::Token;

/// The token as it is sent, read once and again whenever it was refused.
pub(crate) struct Tokens {
    supplier: Arc<dyn Token>,
    held: Mutex<Option<HeaderValue>>,
}

impl Tokens {
    pub(crate) fn new(supplier: Arc<dyn Token>) -> Self {
        Self { supplier, held: Mutex::new(None) }
    }

    /// The `Authorization` header.
    ///
    /// # Errors
    /// Halts where there is no token to be had.
    pub(crate) async fn authorization(&self) -> Result<HeaderValue, Fault> {
        let mut held = self.held.lock().await;
        match &*held {
            Some(header) => Ok(header.clone()),
            None => Ok(held.insert(self.read().await?).clone()),
        }
    }

    /// Reads the token again, since this one was refused. Whether there is another now.
    ///
    /// # Errors
    /// Halts where there is no token to be had.
    pub(crate) async fn renew(&self, refused: &HeaderValue) -> Result<bool, Fault> {
        let mut held = self.held.lock().await;
        if held.as_ref().is_none_or(|held| held == refused) {
            *held = None;
            *held = Some(self.read().await?);
        }
        Ok(held.as_ref() != Some(refused))
    }

    async fn read(&self) -> Result<HeaderValue, Fault> {
        let supplier = Arc::clone(&self.supplier);
        let read = tokio::task::spawn_blocking(move || supplier.read()).await;
        let secret = match read {
            Ok(Ok(secret)) => secret,
            Ok(Err(why)) => return Err(unreadable(why)),
            Err(ended) => return Err(unreadable(ended.to_string())),
        };
        let header = HeaderValue::try_from(format!("Splunk {}", secret.expose_secret().trim()));
        let mut header = header.map_err(|_| unreadable("it holds characters that no header can".to_owned()))?;
        header.set_sensitive(true);
        Ok(header)
    }
}

fn unreadable(why: String) -> Fault {
    Fault::halt("failed to read the token of the collector").caused_by(why).advise("Correct `token`.")
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex as StdMutex;

    use fault::Verdict;

    use super::*;

    /// Guarantee: a token is read again when it was refused and not before, and is never printed.
    #[tokio::test]
    async fn a_refused_token_is_read_again() {
        let stored = Arc::new(StdMutex::new("old\n"));
        let read = Arc::clone(&stored);
        let tokens = Tokens::new(Arc::new(move || Ok(read.lock().unwrap().to_owned().into())));
        let old = tokens.authorization().await.unwrap();
        assert_eq!(old.to_str().unwrap(), "Splunk old");
        assert!(!format!("{old:?}").contains("old"));
        assert!(!tokens.renew(&old).await.unwrap(), "it is the same");
        *stored.lock().unwrap() = "new";
        assert_eq!(tokens.authorization().await.unwrap(), old, "nobody refused it");
        assert!(tokens.renew(&old).await.unwrap());
        assert!(tokens.renew(&old).await.unwrap(), "another connection has renewed it");
        assert_eq!(tokens.authorization().await.unwrap().to_str().unwrap(), "Splunk new");
        *stored.lock().unwrap() = "secret\u{1}";
        let fault = tokens.renew(&tokens.authorization().await.unwrap()).await.unwrap_err();
        assert_eq!(fault.verdict(), Verdict::Halt);
        assert!(!format!("{fault:#?}").contains("secret"));
    }
}
