//! How an alert is written.

/// How an alert is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FormatPlan {
    /// ArcSight Common Event Format.
    Cef(CefPlan),
    /// What the API sent, with or without an envelope.
    Json {
        /// `wrap` puts tenant, record id and update time around it.
        envelope: EnvelopePlan,
    },
    /// IBM's Log Event Extended Format.
    Leef(LeefPlan),
}

/// Which CEF, and who its header names: `None` where the mapping's own word stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CefPlan {
    /// The version of the format.
    pub version: CefVersionPlan,
    /// Device Vendor.
    pub vendor: Option<String>,
    /// Device Product.
    pub product: Option<String>,
    /// Device Version.
    pub product_version: Option<String>,
}

/// A version of CEF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CefVersionPlan {
    /// `CEF:0`.
    #[default]
    V0,
    /// `CEF:1`.
    V1,
}

/// Which LEEF, and who its header names: `None` where the mapping's own word stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LeefPlan {
    /// The version of the format.
    pub version: LeefVersionPlan,
    /// Vendor.
    pub vendor: Option<String>,
    /// Product.
    pub product: Option<String>,
    /// Version of the product.
    pub product_version: Option<String>,
    /// A `|` in a value stays.
    pub keep_pipes: bool,
}

/// A version of LEEF.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LeefVersionPlan {
    /// `LEEF:1.0`.
    #[default]
    V1,
    /// `LEEF:2.0`.
    V2 {
        /// What stands between attributes: a TAB or one of `` ! # $ % & ' * , ; ? @ ^ ` ~ ``.
        delimiter: char,
    },
}

/// What stands around raw JSON.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EnvelopePlan {
    /// Nothing.
    None,
    /// Tenant, record id and update time.
    Wrap,
}
