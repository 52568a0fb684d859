//! Packed streams of several members, and with zeros behind the last, as tapes and block devices leave them.
use std::io::{BufRead, BufReader, ErrorKind, Read, Result};

/// A decoder of one member that gives back what it read from.
pub(super) trait Member: Read {
    /// What is read from.
    type Source: BufRead;

    /// A decoder of the member that `source` begins with.
    fn begin(source: Self::Source) -> Self;

    /// What is behind the member.
    fn end(self) -> Self::Source;
}

impl<R: BufRead> Member for flate2::bufread::GzDecoder<R> {
    type Source = R;

    fn begin(source: R) -> Self {
        Self::new(source)
    }

    fn end(self) -> R {
        self.into_inner()
    }
}

impl<R: BufRead> Member for bzip2::bufread::BzDecoder<R> {
    type Source = R;

    fn begin(source: R) -> Self {
        Self::new(source)
    }

    fn end(self) -> R {
        self.into_inner()
    }
}

/// The members of a stream, unpacked one after the other. Zeros behind the last are not part of it; anything else is
/// an error, told by the next member's decoder.
pub(super) struct Members<D> {
    /// None after the last one.
    member: Option<D>,
}

/// Members of a gzip file.
pub(super) type GzipMembers<R> = Members<flate2::bufread::GzDecoder<BufReader<R>>>;
/// Members of a bzip2 file.
pub(super) type Bzip2Members<R> = Members<bzip2::bufread::BzDecoder<BufReader<R>>>;

impl<D> Members<D> {
    pub fn new<R: Read>(source: R) -> Self
    where
        D: Member<Source = BufReader<R>>,
    {
        Self {
            member: Some(D::begin(BufReader::new(source))),
        }
    }
}

impl<D: Member> Members<D> {
    /// Begins the next member; whether there is one.
    fn next(&mut self) -> Result<bool> {
        let Some(mut source) = self.member.take().map(D::end) else {
            return Ok(false);
        };
        loop {
            let bytes = match source.fill_buf() {
                Err(e) if e.kind() == ErrorKind::Interrupted => continue,
                bytes => bytes?,
            };
            if bytes.is_empty() {
                return Ok(false);
            }
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            let is_end = zeros < bytes.len();
            source.consume(zeros);
            if is_end {
                self.member = Some(D::begin(source));
                return Ok(true);
            }
        }
    }
}

impl<D: Member> Read for Members<D> {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        loop {
            let Some(member) = &mut self.member else { return Ok(0) };
            let read = member.read(buffer)?;
            if read > 0 {
                return Ok(read);
            }
            if !self.next()? {
                return Ok(0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn bzip(bytes: &[u8]) -> Vec<u8> {
        let mut encoder = bzip2::write::BzEncoder::new(Vec::new(), bzip2::Compression::fast());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap()
    }

    fn unpacked(stream: &[u8], is_gzip: bool) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        match is_gzip {
            true => GzipMembers::new(stream).read_to_end(&mut bytes)?,
            false => Bzip2Members::new(stream).read_to_end(&mut bytes)?,
        };
        Ok(bytes)
    }

    #[test]
    fn members_follow_each_other_and_zeros_end_them() {
        for (is_gzip, pack) in [(true, gzip as fn(&[u8]) -> Vec<u8>), (false, bzip)] {
            let two = [pack(b"first "), pack(b""), pack(b"second")].concat();
            assert_eq!(unpacked(&two, is_gzip).unwrap(), b"first second");
            let padded = [two.clone(), vec![0; 20_000]].concat();
            assert_eq!(unpacked(&padded, is_gzip).unwrap(), b"first second");
            let between = [pack(b"a"), vec![0; 512], pack(b"b")].concat();
            assert_eq!(unpacked(&between, is_gzip).unwrap(), b"ab");
            assert!(unpacked(&[two.clone(), b"garbage".to_vec()].concat(), is_gzip).is_err());
            assert!(unpacked(&two[..two.len() - 3], is_gzip).is_err(), "cut short");
            assert!(unpacked(b"\0\0\0", is_gzip).is_err());
        }
    }
}
