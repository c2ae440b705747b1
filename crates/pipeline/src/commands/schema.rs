//! `schema`: the JSON Schema of the pipeline file, for editors.

use std::io::{self, ErrorKind, Write};

use crate::exit::{Failure, FailureKind};

pub(crate) fn schema() -> Result<(), Failure> {
    let text = serde_json::to_string_pretty(&pipeline_file::schema())
        .map_err(|error| Failure::because(FailureKind::Failed, "failed to print the schema", &error))?;
    match writeln!(io::stdout(), "{text}") {
        // Whoever read it has had enough: `schema | head`.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            Err(Failure::because(FailureKind::Failed, "failed to print the schema", &error))
        }
        Ok(()) | Err(_) => Ok(()),
    }
}
