//! The ways in which keyboards and systems encode the letters of one password.
//!
//! `é` is one character when typed, and a letter followed by a combining accent in a file name on macOS. A person
//! sees no difference, so the server makes none: a new password is hashed in composed form (NFC), and a given
//! password is tried composed, unchanged, and decomposed, so that older hashes still work. All this counts as one
//! attempt. Most passwords have a single spelling.

use ferry_shared::secret::Secret;
use unicode_normalization::UnicodeNormalization as _;

/// The spelling that new hashes use.
pub(super) fn composed(password: &Secret) -> Secret {
    spelled(password, |text| text.nfc().collect())
}

/// The distinct spellings to try: that of new hashes first.
pub(super) fn all(password: &Secret) -> Vec<Secret> {
    let mut all = vec![composed(password)];
    for other in [password.clone(), spelled(password, |text| text.nfd().collect())] {
        if !all.contains(&other) {
            all.push(other);
        }
    }
    all
}

fn spelled(password: &Secret, spell: impl FnOnce(&str) -> String) -> Secret {
    let text = password.expose();
    if text.is_ascii() { password.clone() } else { Secret::new(spell(text)) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::users::{
        file::Record,
        password::{Verdict, Verifier, hash, hash_spelling},
    };

    #[test]
    fn a_password_without_accents_has_one_spelling() {
        for text in ["", "pass word", "\u{4e2d}\u{6587}", "\u{df}"] {
            let password = Secret::new(text.to_owned());
            assert_eq!(all(&password), [password], "{text}");
        }
    }

    #[test]
    fn accents_are_composed_first_and_every_spelling_is_tried_once() {
        let (composed_text, mixed, decomposed) = ("\u{e9}\u{e9}", "\u{e9}e\u{301}", "e\u{301}e\u{301}");
        let spellings = |text: &str| {
            let all = all(&Secret::new(text.to_owned()));
            all.iter().map(|secret| secret.expose().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(spellings(composed_text), [composed_text, decomposed]);
        assert_eq!(spellings(decomposed), [composed_text, decomposed]);
        assert_eq!(spellings(mixed), [composed_text, mixed, decomposed]);
    }
    #[tokio::test]
    async fn an_accent_is_the_same_however_a_system_spells_it() {
        let secret = |text: &str| Secret::new(text.to_owned());
        let account = |hash| Record::new(Some(hash)).account("alice".parse().unwrap());
        let (composed, decomposed) = (secret("caf\u{e9} au lait"), secret("cafe\u{301} au lait"));
        let verifier = Verifier::new();
        let old = hash_spelling(&decomposed).unwrap();
        for stored in [hash(&composed).unwrap(), hash(&decomposed).unwrap(), old] {
            let alice = account(stored);
            for typed in [&composed, &decomposed] {
                assert_eq!(verifier.verify(Some(&alice), typed).await, Verdict::Right);
            }
            assert_eq!(verifier.verify(Some(&alice), &secret("cafe au lait")).await, Verdict::Wrong);
        }
    }
}
