//! Near misses: what somebody probably meant.

/// The candidate that is most like `written`, if one is like it enough to be meant.
pub(crate) fn near_miss<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Longer words are no slip of the pen, and comparing them takes time.
    const LONGEST: usize = 64;
    /// Half of a word may be wrong in the worst case, by this measure that favours equal beginnings.
    const LIKE_ENOUGH: f64 = 0.8;
    if written.len() > LONGEST {
        return None;
    }
    let written = folded(written);
    candidates
        .into_iter()
        .filter(|candidate| candidate.len() <= LONGEST)
        .map(|candidate| (likeness(&written, &folded(candidate)), candidate))
        .filter(|(likeness, _)| *likeness >= LIKE_ENOUGH)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, candidate)| candidate)
}

/// Case and the two ways to join words do not count.
fn folded(word: &str) -> String {
    word.chars().filter(|letter| !matches!(letter, '-' | '_' | ' ')).flat_map(char::to_lowercase).collect()
}

fn likeness(a: &str, b: &str) -> f64 {
    let slips = strsim::damerau_levenshtein(a, b);
    // One slip in a short word is much by ratio, yet plainly a slip: `pth`, `jsn`.
    if slips <= 1 && a.len().min(b.len()) >= 2 {
        return 1.0 - f64::from(u32::try_from(slips).unwrap_or(1)) * 0.01;
    }
    strsim::jaro_winkler(a, b).min(1.0 - slips as f64 / a.len().max(b.len()) as f64 + 0.3)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slips, other spellings and other cases find their word; another word finds none.
    #[test]
    fn slips_find_their_word() {
        let keys = ["tenant_id", "client_id", "client_secret", "path", "poll_every", "eu", "us"];
        for (written, meant) in [
            ("tenantId", Some("tenant_id")),
            ("tenant-id", Some("tenant_id")),
            ("tennat_id", Some("tenant_id")),
            ("client_secrets", Some("client_secret")),
            ("pth", Some("path")),
            ("EU", Some("eu")),
            ("pollevery", Some("poll_every")),
            ("zebra", None),
            ("file", None),
            ("", None),
        ] {
            assert_eq!(near_miss(written, keys), meant, "{written}");
        }
    }
}
