//! What an error of the operating system asks for.

use std::io::{Error, ErrorKind};
use std::path::Path;

use fault::Fault;

/// The verdict on a failure to do something with a file.
pub(crate) fn classify(doing: &str, path: &Path, error: Error) -> Fault {
    let what = format!("failed to {doing} {}", path.display());
    let fault = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
            Fault::retry(what).advise("Make room on the disk; nothing is lost, all waits in the journal.")
        }
        ErrorKind::NotFound => Fault::halt(what).advise("Make the folder; nothing is lost, all waits in the journal."),
        ErrorKind::PermissionDenied | ErrorKind::ReadOnlyFilesystem => {
            Fault::halt(what).advise("Let the user that runs this program write there, or choose another path.")
        }
        ErrorKind::IsADirectory | ErrorKind::NotADirectory => {
            Fault::halt(what).advise("Give the path of a file in an existing folder.")
        }
        ErrorKind::BrokenPipe => Fault::halt(what).advise("The reader of this pipe has gone; start it again."),
        _ => Fault::retry(what),
    };
    fault.caused_by(error)
}

#[cfg(test)]
mod tests {
    use fault::Verdict;

    use super::*;

    #[test]
    fn each_error_has_its_verdict() {
        let table = [
            (ErrorKind::StorageFull, Verdict::Retry),
            (ErrorKind::NotFound, Verdict::Halt),
            (ErrorKind::PermissionDenied, Verdict::Halt),
            (ErrorKind::ReadOnlyFilesystem, Verdict::Halt),
            (ErrorKind::IsADirectory, Verdict::Halt),
            (ErrorKind::BrokenPipe, Verdict::Halt),
            (ErrorKind::Interrupted, Verdict::Retry),
        ];
        for (kind, verdict) in table {
            let fault = classify("write to", Path::new("/alerts.cef"), Error::from(kind));
            assert_eq!(fault.verdict(), verdict, "{kind:?}");
            assert!(fault.to_string().contains("/alerts.cef"));
        }
    }
}
