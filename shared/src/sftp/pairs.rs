//! Pairs of strings: the extensions of a hello, and extended attributes.

use bytes::Bytes;

use super::{
    fault::Fault,
    wire::{put_string, put_u32, string, u32},
};

/// Pairs of a name and data, kept as they were received: many short ones cost no memory of their own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Pairs {
    count: u32,
    bytes: Bytes,
}

impl Pairs {
    /// No pairs.
    #[must_use]
    pub const fn new() -> Self {
        Self { count: 0, bytes: Bytes::new() }
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The pairs, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (Bytes, Bytes)> {
        let mut rest = self.bytes.clone();
        // They were decoded once before, or encoded here: neither leaves a pair that is cut.
        std::iter::from_fn(move || pair(&mut rest).ok())
    }

    /// The data of the first pair with this name.
    #[must_use]
    pub fn get(&self, name: &[u8]) -> Option<Bytes> {
        self.iter().find(|(found, _)| found == name).map(|(_, data)| data)
    }

    /// Takes as many pairs off the front as the number before them says.
    pub(super) fn take_counted(from: &mut Bytes) -> Result<Self, Fault> {
        let count = u32(from)?;
        let whole = from.clone();
        for _ in 0..count {
            pair(from)?;
        }
        Ok(Self { count, bytes: whole.slice(..whole.len() - from.len()) })
    }

    /// All of `bytes` as pairs.
    pub(super) fn all_of(bytes: Bytes) -> Result<Self, Fault> {
        let (mut rest, mut count) = (bytes.clone(), 0);
        while !rest.is_empty() {
            pair(&mut rest)?;
            count += 1;
        }
        Ok(Self { count, bytes })
    }

    /// Appends the pairs with their number before them.
    pub(super) fn put_counted(&self, out: &mut Vec<u8>) {
        put_u32(out, self.count);
        self.put(out);
    }

    /// Appends the pairs.
    pub(super) fn put(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(&self.bytes);
    }
}

fn pair(from: &mut Bytes) -> Result<(Bytes, Bytes), Fault> {
    Ok((string(from)?, string(from)?))
}

impl<N: AsRef<[u8]>, D: AsRef<[u8]>> FromIterator<(N, D)> for Pairs {
    fn from_iter<I: IntoIterator<Item = (N, D)>>(pairs: I) -> Self {
        let (mut bytes, mut count) = (Vec::new(), 0);
        for (name, data) in pairs {
            put_string(&mut bytes, name.as_ref());
            put_string(&mut bytes, data.as_ref());
            count += 1;
        }
        Self { count, bytes: bytes.into() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_of_pairs_that_are_not_there_is_refused() {
        assert_eq!(Pairs::take_counted(&mut Bytes::from_static(&[0xff; 4])), Err(Fault::Cut));
        // One pair of empty strings, where two are promised.
        assert_eq!(
            Pairs::take_counted(&mut Bytes::from_static(&[0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0])),
            Err(Fault::Cut)
        );
    }

    #[test]
    fn pairs_are_found_by_name_and_what_follows_them_stays() {
        let pairs: Pairs = [("a", "1"), ("b", "2"), ("a", "3")].into_iter().collect();
        let mut out = Vec::new();
        pairs.put_counted(&mut out);
        out.push(9);
        let mut bytes = Bytes::from(out);
        assert_eq!(Pairs::take_counted(&mut bytes), Ok(pairs.clone()));
        assert_eq!(&bytes[..], [9]);
        assert_eq!(pairs.get(b"a").as_deref(), Some(&b"1"[..]));
        assert_eq!(pairs.get(b"c"), None);
        assert_eq!(pairs.iter().count(), 3);
    }
}
