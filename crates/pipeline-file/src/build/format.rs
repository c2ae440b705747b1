//! How alerts are written.

use super::Build;
use crate::faults::Told;
use crate::file::{CefKeys, Envelope, Format, FormatKeys, FormatName, LeefKeys, Per};
use crate::place::KeyPath;
use crate::plan::{CefPlan, CefVersionPlan, EnvelopePlan, FormatPlan, LeefPlan, LeefVersionPlan, PerPlan};
use crate::profile::Profile;

impl Build<'_> {
    pub(super) fn format(
        &mut self,
        format: Option<Format>,
        profile: Option<Profile>,
        envelope: EnvelopePlan,
        sink: &KeyPath,
    ) -> Result<FormatPlan, Told> {
        let path = sink.key("format");
        let json = |envelope| FormatPlan::Json { envelope };
        match self.format_said(format, profile, &path)? {
            Format::Named(FormatName::Cef) => Ok(FormatPlan::Cef(CefPlan::default())),
            Format::Named(FormatName::Json) => Ok(json(envelope)),
            Format::Named(FormatName::Leef) => Ok(FormatPlan::Leef(LeefPlan::default())),
            Format::Detailed(FormatKeys { cef: Some(keys), .. }) => Ok(FormatPlan::Cef(cef(keys))),
            Format::Detailed(FormatKeys { json: Some(keys), .. }) => Ok(json(match keys.envelope {
                Some(Envelope::None) => EnvelopePlan::None,
                Some(Envelope::Wrap) => EnvelopePlan::Wrap,
                None => envelope,
            })),
            Format::Detailed(FormatKeys { leef: Some(keys), .. }) => {
                Ok(FormatPlan::Leef(self.leef(keys, &path.key("leef"))))
            }
            // That it is exactly one is the schema's rule.
            Format::Detailed(FormatKeys { cef: None, json: None, leef: None }) => self.required(None, &path),
        }
    }

    /// The format that is written, or else the profile's.
    fn format_said(
        &mut self,
        format: Option<Format>,
        profile: Option<Profile>,
        path: &KeyPath,
    ) -> Result<Format, Told> {
        match (format, profile) {
            (Some(format), _) => Ok(format),
            // It is there, with a fault of its own.
            (None, _) if self.entry_of(path).is_some() => self.required(None, path),
            (None, Some(profile)) => Ok(Format::Named(profile.settings().format)),
            (None, None) => self.required(None, path),
        }
    }

    fn leef(&mut self, keys: LeefKeys, path: &KeyPath) -> LeefPlan {
        let delimiter = keys.delimiter.map(|delimiter| delimiter.0);
        let version = match keys.version {
            Some(2) => LeefVersionPlan::V2 { delimiter: delimiter.unwrap_or(DELIMITER) },
            _ => LeefVersionPlan::V1,
        };
        // Where the version was written with a fault, what belongs to it cannot be told.
        let guessed = keys.version.is_none() && self.entry_of(&path.key("version")).is_some();
        if version == LeefVersionPlan::V1 && delimiter.is_some() && !guessed {
            self.tell(&path.key("delimiter"), "LEEF 1.0 always has a tab; it is for `version: 2`");
        }
        LeefPlan {
            version,
            vendor: keys.vendor.map(|text| text.0),
            product: keys.product.map(|text| text.0),
            product_version: keys.product_version.map(|text| text.0),
            keep_pipes: keys.keep_pipes.unwrap_or(false),
        }
    }
}

fn cef(keys: CefKeys) -> CefPlan {
    CefPlan {
        version: match keys.version {
            Some(1) => CefVersionPlan::V1,
            _ => CefVersionPlan::V0,
        },
        vendor: keys.vendor.map(|text| text.0),
        product: keys.product.map(|text| text.0),
        product_version: keys.product_version.map(|text| text.0),
    }
}

impl From<Per> for PerPlan {
    fn from(per: Per) -> Self {
        match per {
            Per::Alert => Self::Alert,
            Per::Evidence => Self::Evidence,
        }
    }
}

/// IBM's own example of a delimiter for LEEF 2.0, which relays leave as it is.
const DELIMITER: char = '^';
