//! References to secrets.

use super::Build;
use crate::faults::Told;
use crate::file::{Secret, SecretReference, defaults};
use crate::place::KeyPath;
use crate::secret::{SecretCommand, SecretFile, SecretSource};

impl Build<'_> {
    pub(super) fn secret(&mut self, secret: &Secret, path: &KeyPath) -> Result<SecretSource, Told> {
        match secret {
            Secret::One(reference) => self.reference(reference, path),
            Secret::Several(references) => {
                let sources: Result<Vec<SecretSource>, Told> = references
                    .iter()
                    .enumerate()
                    .map(|(index, reference)| self.reference(reference, &path.item(index)))
                    .collect();
                sources.map(SecretSource::FirstOf)
            }
        }
    }

    fn reference(&mut self, reference: &SecretReference, path: &KeyPath) -> Result<SecretSource, Told> {
        let folder = self.environment.folder.clone();
        if let Some(name) = &reference.env {
            return Ok(SecretSource::Env(name.0.clone()));
        }
        if let Some(file) = &reference.file {
            return Ok(SecretSource::File(SecretFile { path: file.0.clone().into(), folder }));
        }
        let argv = self.required(reference.command.as_ref(), path)?;
        let refresh = reference.refresh.as_ref().map_or(defaults::REFRESH, |span| span.0);
        let argv = argv.iter().map(|part| part.0.clone()).collect();
        Ok(SecretSource::Command(SecretCommand { argv, folder, refresh }))
    }
}
