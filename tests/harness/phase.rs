//! In which phase of its work the program was when it was killed.

/// The phase that the last line of a trace log tells; `starting` where there is none.
pub fn phase(log: &str) -> &'static str {
    let last = log.lines().rev().find_map(|line| PHASES.iter().find(|(sentence, _)| line.contains(sentence)));
    last.map_or("starting", |(_, phase)| phase)
}

/// What the program traces, and the phase that begins with it.
const PHASES: [(&str, &str); 7] = [
    ("a feed asks for its next page", "reading"),
    ("a page is appended", "appending"),
    ("a page was appended", "appended"),
    ("a batch is handed over", "sending"),
    ("a batch was answered", "answered"),
    ("marks are settled", "settling"),
    ("marks were settled", "settled"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_that_tells_a_phase_counts() {
        assert_eq!(phase(""), "starting");
        assert_eq!(phase("TRACE a page is appended feed=x\nINFO something else\n"), "appending");
    }
}
