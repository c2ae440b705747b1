//! One alert of each shape, made up, and the formats of lines: what golden files and independent readers are given.

pub(crate) mod hostile;

use transform::{CefHeader, CefVersion, LeefDelimiter, LeefOptions, LeefVersion, Renderer, Shape};

/// An alert as an API sends it.
pub(crate) struct Sample {
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    pub(crate) json: &'static str,
}

pub(crate) static SAMPLES: &[Sample] = &[
    // As the export wrote it from 2020 on: what does not apply is an empty text.
    Sample { name: "legacy_row", shape: Shape::LegacyRow, json: include_str!("legacy_row.json") },
    // As it wrote it in 2017: fewer members, another spelling, nulls, an id without a prefix.
    Sample { name: "legacy_row_of_2017", shape: Shape::LegacyRow, json: include_str!("legacy_row_of_2017.json") },
    Sample { name: "mde_alert", shape: Shape::MdeAlert, json: include_str!("mde_alert.json") },
    Sample { name: "graph_alert", shape: Shape::GraphAlert, json: include_str!("graph_alert.json") },
    Sample { name: "graph_incident", shape: Shape::GraphIncident, json: include_str!("graph_incident.json") },
    Sample { name: "hunting_row", shape: Shape::HuntingRow, json: include_str!("hunting_row.json") },
];

/// Every format of lines, under its name.
pub(crate) fn line_formats() -> [(&'static str, Renderer); 4] {
    let caret = LeefOptions { version: LeefVersion::V2(LeefDelimiter::CARET), ..LeefOptions::default() };
    [
        ("CEF:0", Renderer::cef(CefHeader::default())),
        ("CEF:1", Renderer::cef_version(CefVersion::V1, CefHeader::default())),
        ("LEEF:1.0", Renderer::leef(&LeefOptions::default())),
        ("LEEF:2.0", Renderer::leef(&caret)),
    ]
}
