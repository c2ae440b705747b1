//! Which hosts belong to a cloud and a region, and what a token is asked for there.

use url::Url;

use crate::file::{Cloud, Region};

/// Where tokens come from, as Microsoft documents it for each cloud. GCC has its tenants in the worldwide Entra.
pub(crate) fn authority(cloud: Cloud) -> Url {
    fixed(match cloud {
        Cloud::Commercial | Cloud::Gcc => "https://login.microsoftonline.com",
        Cloud::GccHigh | Cloud::Dod => "https://login.microsoftonline.us",
    })
}

/// The host of `mde_alerts`. Without a region it is the one that most of Microsoft's pages name; with one, the host of
/// that region.
pub(crate) fn mde_base(cloud: Cloud, region: Option<Region>) -> Url {
    match (cloud, region) {
        (Cloud::Commercial, Some(region)) => fixed(&format!("https://{}.api.security.microsoft.com", region.key())),
        (Cloud::Commercial, None) => fixed("https://api.securitycenter.microsoft.com"),
        (Cloud::Gcc, _) => fixed("https://api-gcc.securitycenter.microsoft.us"),
        (Cloud::GccHigh | Cloud::Dod, _) => fixed("https://api-gov.securitycenter.microsoft.us"),
    }
}

/// What a token for `mde_alerts` is asked for. The worldwide hosts take the resource of the documented pair, but for
/// the host without a region under the new name, which wants its own; US Government's hosts want their own too.
pub(crate) fn mde_resource(cloud: Cloud, base: &Url) -> String {
    const NEW_NAME: &str = "api.security.microsoft.com";
    let resource = match cloud {
        Cloud::Commercial if base.host_str() == Some(NEW_NAME) => "https://api.security.microsoft.com",
        Cloud::Commercial => "https://api.securitycenter.microsoft.com",
        Cloud::Gcc => "https://api-gcc.securitycenter.microsoft.us",
        Cloud::GccHigh | Cloud::Dod => "https://api-gov.securitycenter.microsoft.us",
    };
    resource.to_owned()
}

/// The host of `alerts_export`, or the sentence why there is none.
pub(crate) fn export_base(cloud: Cloud, region: Option<Region>) -> Result<Url, &'static str> {
    match (cloud, region) {
        (Cloud::Commercial, Some(region @ (Region::Eu | Region::Us | Region::Uk))) => {
            Ok(fixed(&format!("https://wdatp-alertexporter-{}.windows.com", region.key())))
        }
        (Cloud::Commercial, Some(Region::Au | Region::Swa)) => {
            Err("`alerts_export` exists in the regions `eu`, `us` and `uk` alone")
        }
        (Cloud::Commercial, None) => Err("`alerts_export` needs `region: eu`, `us` or `uk`, or `endpoints.export`"),
        (Cloud::Gcc, _) => Ok(fixed("https://wdatp-alertexporter-us.gcc.securitycenter.windows.us")),
        (Cloud::GccHigh | Cloud::Dod, _) => Ok(fixed("https://wdatp-alertexporter-us.securitycenter.windows.us")),
    }
}

/// What a token for `alerts_export` is asked for, in every cloud.
pub(crate) fn export_resource() -> String {
    "https://graph.windows.net".to_owned()
}

fn fixed(address: &str) -> Url {
    Url::parse(address).expect("the addresses of Microsoft's clouds are written down here")
}
