//! DER (X.690) for what `rcgen` cannot express: elements, taken apart and put together.

/// The elements that follow each other in these contents, each with its tag and length.
pub(super) fn elements(mut contents: &[u8]) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    while let Some(length) = element_length(contents) {
        let (element, rest) = contents.split_at(length);
        found.push(element.to_vec());
        contents = rest;
    }
    found
}

/// Bytes of the first element; nothing when there is none.
fn element_length(der: &[u8]) -> Option<usize> {
    let (header, length) = header_and_length(der)?;
    (der.len() >= header + length).then_some(header + length)
}

/// Bytes of tag and length, and of the contents (X.690 §8.1.3). Tags here have one byte.
fn header_and_length(der: &[u8]) -> Option<(usize, usize)> {
    let first = usize::from(*der.get(1)?);
    let long = first.checked_sub(0x80);
    let Some(bytes) = long else { return Some((2, first)) };
    let length = der.get(2..2 + bytes)?.iter().fold(0, |length, byte| length << 8 | usize::from(*byte));
    Some((2 + bytes, length))
}

/// The contents of an element.
pub(super) fn contents(der: &[u8]) -> &[u8] {
    header_and_length(der).and_then(|(header, length)| der.get(header..header + length)).unwrap_or_default()
}

/// Tag, length and these contents.
pub(super) fn element(tag: u8, contents: &[u8]) -> Vec<u8> {
    let bytes = contents.len().to_be_bytes();
    let significant: Vec<u8> = bytes.into_iter().skip_while(|byte| *byte == 0).collect();
    let mut der = vec![tag];
    match u8::try_from(contents.len()) {
        Ok(short @ 0..0x80) => der.push(short),
        _ => {
            der.push(0x80 | u8::try_from(significant.len()).unwrap_or(u8::MAX));
            der.extend(significant);
        }
    }
    der.extend(contents);
    der
}

/// An OBJECT IDENTIFIER (X.690 §8.19); its first two arcs are below 2 and 40.
pub(super) fn object_identifier(arcs: &[u64]) -> Vec<u8> {
    let (first, rest) = match arcs {
        [first, second, rest @ ..] => (first * 40 + second, rest),
        _ => (0, &[][..]),
    };
    let contents: Vec<u8> = std::iter::once(&first).chain(rest).flat_map(|arc| base_128(*arc)).collect();
    element(OBJECT_IDENTIFIER, &contents)
}

fn base_128(arc: u64) -> Vec<u8> {
    let mut digits = vec![u8::try_from(arc & 0x7f).unwrap_or(0)];
    let mut rest = arc >> 7;
    while rest > 0 {
        digits.push(0x80 | u8::try_from(rest & 0x7f).unwrap_or(0));
        rest >>= 7;
    }
    digits.reverse();
    digits
}

/// Tag of SEQUENCE and SEQUENCE OF.
pub(super) const SEQUENCE: u8 = 0x30;
/// Tag of UTF8String.
pub(super) const UTF8_STRING: u8 = 0x0c;
const OBJECT_IDENTIFIER: u8 = 0x06;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_elements() {
        for length in [0, 1, 0x7f, 0x80, 0xff, 0x100, 0x1_0000] {
            let made = element(SEQUENCE, &vec![7; length]);
            assert_eq!((contents(&made).len(), elements(&made)), (length, vec![made.clone()]), "{length}");
        }
        assert_eq!(element(SEQUENCE, &[7; 0x80])[..3], [0x30, 0x81, 0x80]);
        assert!(elements(&[0x30, 5, 0]).is_empty());
    }

    #[test]
    fn object_identifiers() {
        assert_eq!(object_identifier(&[0, 4, 0, 19495, 2]), [6, 6, 4, 0, 0x81, 0x98, 0x27, 2]);
        assert_eq!(object_identifier(&[1, 3, 6, 1, 5, 5, 7, 1, 3]), [6, 8, 0x2b, 6, 1, 5, 5, 7, 1, 3]);
    }
}
