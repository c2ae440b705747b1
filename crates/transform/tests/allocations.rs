//! What rendering takes from the heap: nothing. A program of its own and without a harness, since what is counted is the
//! whole process, the harness's own thread too.

#[path = "fixture/mod.rs"]
mod fixture;

use transform::{Budget, CefHeader, Envelope, LeefOptions, Origin, Renderer, Shape};

use crate::fixture::mde_alert;

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

const ORIGIN: Origin<'static> =
    Origin { tenant_id: "11111111-2222-3333-4444-555555555555", tenant_name: "contoso", partial: false };

/// Guarantees that an alert is rendered without an allocation into a buffer that is large enough, be its evidence ten
/// items or three hundred, its texts short or long, the record whole or cut.
fn main() {
    let mut alerts = vec![mde_alert(1, 10), mde_alert(2, 300)];
    alerts.push(mde_alert(3, 10).replace("Malware and", &"=\\u202e\\n|\\\\😀".repeat(10_000)));
    alerts.push(
        r#"{"IpAddress":"fe80::1","AlertId":"daefa1828b-dd4e-405c-8a3b-aa28596830dd_10","AlertPart":1}"#.to_owned(),
    );
    alerts.push(include_str!("samples/graph_alert.json").to_owned());
    alerts.push(include_str!("samples/hunting_row.json").to_owned());
    let renderers = [
        Renderer::cef(CefHeader::default()),
        Renderer::cef(CefHeader::default()).within(Budget::bytes(1024)),
        Renderer::leef(&LeefOptions::default()),
        Renderer::leef(&LeefOptions::default()).within(Budget::bytes(2048)),
        Renderer::json(Envelope::None),
        Renderer::json(Envelope::Wrap),
    ];
    let mut out = Vec::with_capacity(1 << 20);

    let _profiler = dhat::Profiler::builder().testing().build();
    for alert in &alerts {
        for renderer in &renderers {
            for shape in Shape::ALL {
                out.clear();
                let before = dhat::HeapStats::get().total_blocks;
                renderer.render(shape, &ORIGIN, None, alert.as_bytes(), &mut out).expect("a generated alert is valid");
                let after = dhat::HeapStats::get().total_blocks;
                assert_eq!(after - before, 0, "{shape:?} of {} bytes", alert.len());
            }
        }
    }
    println!("rendering allocates nothing");
}
