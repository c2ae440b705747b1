//! From the plan of a file sink to the options of the crate that does it.

use pipeline_file::plan::{CompressionPlan, FilePlan, KeepPlan, PathsPlan, RotatePlan};
use sink_file::{Compression, FileOptions, Keep, Paths, Rotate};

/// Which files are written, and how they are kept.
pub(crate) fn options(plan: &FilePlan) -> FileOptions {
    FileOptions {
        paths: match &plan.paths {
            PathsPlan::One(path) => Paths::One(path.clone()),
            PathsPlan::ByTenant { folder, files } => {
                Paths::ByTenant { folder: folder.clone(), files: files.clone().into_iter().collect() }
            }
        },
        mode: plan.mode,
        group: plan.group.clone(),
        rotate: plan.rotate.map(rotate),
    }
}

fn rotate(plan: RotatePlan) -> Rotate {
    Rotate {
        size: plan.size,
        every: plan.every,
        keep: match plan.keep {
            KeepPlan::All => Keep::All,
            KeepPlan::Files(files) => Keep::Files(files),
            KeepPlan::For(span) => Keep::For(span),
        },
        compress: plan.compress.map(|how| match how {
            CompressionPlan::Gzip => Compression::Gzip,
            CompressionPlan::Zstd => Compression::Zstd,
        }),
    }
}
