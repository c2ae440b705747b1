//! The baseline: split, render, compress.

use std::fs;
use std::hint::black_box;
use std::path::Path;

use end_to_end::own_cpu;
use serde::Deserialize;
use serde_json::value::RawValue;
use transform::{CefHeader, Origin, Renderer, Shape};
use zstd::bulk::Compressor;

/// What the process that is the baseline writes to standard error, beside the pages.
pub(crate) const LOG: &str = "log";

/// The journal's chunks are as large.
const CHUNK: usize = 256 << 10;

/// A page of the public API.
#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    value: Vec<&'a RawValue>,
}

/// Splits, renders and compresses the pages in a folder, and writes to standard error how many CPU seconds that took.
/// Reading the files does not count.
pub(crate) fn run(folder: &Path) {
    let entries = fs::read_dir(folder).expect("the folder of pages is there");
    let files = entries.map(|entry| entry.expect("the folder is readable").path());
    let pages: Vec<Vec<u8>> = files
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .map(|path| fs::read(path).expect("a page is readable"))
        .collect();
    let before = own_cpu();
    split_render_compress(&pages);
    eprintln!("{}", (own_cpu() - before).as_secs_f64());
}

fn split_render_compress(pages: &[Vec<u8>]) {
    let renderer = Renderer::cef(CefHeader::default());
    let origin = Origin { tenant_id: "11111111-2222-3333-4444-555555555555", tenant_name: "contoso", partial: false };
    let mut compressor = Compressor::new(1).expect("zstd has a level 1");
    let mut line = Vec::new();
    let mut chunk = Vec::with_capacity(2 * CHUNK);
    for page in pages {
        let page: Page<'_> = serde_json::from_slice(page).expect("the simulator writes JSON");
        for alert in page.value {
            let alert = alert.get().as_bytes();
            line.clear();
            let rendered = renderer.render(Shape::MdeAlert, &origin, None, alert, &mut line);
            black_box((rendered.expect("an alert is an object"), &line));
            chunk.extend_from_slice(alert);
            if chunk.len() >= CHUNK {
                compress(&mut compressor, &mut chunk);
            }
        }
    }
    compress(&mut compressor, &mut chunk);
}

fn compress(compressor: &mut Compressor<'_>, chunk: &mut Vec<u8>) {
    black_box(compressor.compress(chunk).expect("memory is enough"));
    chunk.clear();
}
