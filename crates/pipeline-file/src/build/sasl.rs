//! How we sign in to Kafka brokers.

use url::Url;

use super::Build;
use crate::cloud;
use crate::faults::Told;
use crate::file::{Cloud, Login, OauthBearer, Sasl};
use crate::place::KeyPath;
use crate::plan::{KafkaSaslPlan, LoginPlan, OauthBearerPlan};

impl Build<'_> {
    /// How we sign in, at this event hub if it is one.
    pub(super) fn sasl(
        &mut self,
        written: Sasl,
        event_hub: Option<&str>,
        path: &KeyPath,
    ) -> Result<KafkaSaslPlan, Told> {
        match (written.oauth_bearer, written.plain, written.scram_sha_256, written.scram_sha_512) {
            (Some(oauth), None, None, None) => self.oauth_bearer(oauth, event_hub, &path.key("oauth_bearer")),
            (None, Some(login), None, None) => self.login(login, &path.key("plain")).map(KafkaSaslPlan::Plain),
            (None, None, Some(login), None) => {
                self.login(login, &path.key("scram_sha_256")).map(KafkaSaslPlan::ScramSha256)
            }
            (None, None, None, Some(login)) => {
                self.login(login, &path.key("scram_sha_512")).map(KafkaSaslPlan::ScramSha512)
            }
            // That it is exactly one is the schema's rule.
            _ => self.required(None, path),
        }
    }

    fn login(&mut self, written: Login, path: &KeyPath) -> Result<LoginPlan, Told> {
        let user = self.required(written.user, &path.key("user"));
        let password = self.required(written.password, &path.key("password"));
        let password = password.and_then(|password| self.secret(&password, &path.key("password")));
        Ok(LoginPlan { user: user?.0, password: password? })
    }

    fn oauth_bearer(
        &mut self,
        written: OauthBearer,
        event_hub: Option<&str>,
        path: &KeyPath,
    ) -> Result<KafkaSaslPlan, Told> {
        let client_id = self.required(written.client_id, &path.key("client_id"));
        let secret = self.required(written.client_secret, &path.key("client_secret"));
        let secret = secret.and_then(|secret| self.secret(&secret, &path.key("client_secret")));
        let directory = written.tenant_id.map(|tenant_id| entra(&tenant_id.0, event_hub));
        let token_url = self.required(written.token_url.map(|url| url.0).or(directory), path);
        let scope = written.scope.map(|scope| scope.0);
        Ok(KafkaSaslPlan::OauthBearer(Box::new(OauthBearerPlan {
            token_url: token_url?,
            client_id: client_id?.0,
            client_secret: secret?,
            // "Authorize access with Microsoft Entra ID" in the documentation of Event Hubs for Kafka.
            scope: scope.or_else(|| event_hub.map(|host| format!("https://{host}/.default"))),
            ca: written.ca.map(|file| self.resolved(&file.0)),
        })))
    }
}

/// The token endpoint of a directory, in the cloud that the event hub says.
fn entra(tenant_id: &str, event_hub: Option<&str>) -> Url {
    let government = event_hub.is_some_and(|host| host.ends_with(".usgovcloudapi.net"));
    let mut url = cloud::authority(if government { Cloud::GccHigh } else { Cloud::Commercial });
    url.set_path(&format!("{tenant_id}/oauth2/v2.0/token"));
    url
}
