//! As much of the Redis protocol as tells one message from the next.

/// A command with its arguments; the first is its name.
#[derive(Clone, Debug)]
pub struct Command {
    words: Vec<Vec<u8>>,
}

impl Command {
    /// The command at the beginning of `bytes` and its length, once it is there in full.
    pub fn parse(bytes: &[u8]) -> Option<(Self, usize)> {
        let (header, mut position) = line(bytes)?;
        let Some((b'*', count)) = header.split_first() else {
            // What a person types into telnet: one line.
            let words = header.split(|byte| *byte == b' ').map(<[u8]>::to_vec);
            let words = words.collect();
            return Some((Self { words }, position));
        };
        let mut words = Vec::new();
        for _ in 0..number(count) {
            let (header, length) = line(bytes.get(position..)?)?;
            position += length;
            let size = usize::try_from(number(header.get(1..)?)).unwrap_or(0);
            words.push(bytes.get(position..position + size)?.to_vec());
            position += size + 2;
        }
        (position <= bytes.len()).then_some((Self { words }, position))
    }

    pub fn is(&self, name: &str) -> bool {
        let first = self.words.first();
        first.is_some_and(|word| word.eq_ignore_ascii_case(name.as_bytes()))
    }

    pub fn name(&self) -> String {
        self.words.first().map_or_else(String::new, |word| {
            String::from_utf8_lossy(word).to_ascii_uppercase()
        })
    }

    pub fn arguments(&self) -> &[Vec<u8>] {
        self.words.get(1..).unwrap_or_default()
    }

    /// Whether an argument contains `text`.
    pub fn mentions(&self, text: &str) -> bool {
        let mut arguments = self.arguments().iter();
        arguments.any(|argument| {
            argument
                .windows(text.len())
                .any(|window| window == text.as_bytes())
        })
    }
}

/// Length of the reply at the beginning of `bytes`, once it is there in full.
pub fn reply_length(bytes: &[u8]) -> Option<usize> {
    let (header, mut position) = line(bytes)?;
    let (kind, rest) = header.split_first()?;
    match kind {
        b'$' | b'=' | b'!' => {
            if let Ok(size) = usize::try_from(number(rest)) {
                position += size + 2;
            }
        }
        b'*' | b'~' | b'>' | b'%' | b'|' => {
            let pairs = matches!(kind, b'%' | b'|');
            let mut elements = number(rest).max(0) * if pairs { 2 } else { 1 };
            // Attributes stand before the reply that they belong to.
            elements += i64::from(*kind == b'|');
            for _ in 0..elements {
                position += reply_length(bytes.get(position..)?)?;
            }
        }
        _ => {}
    }
    (position <= bytes.len()).then_some(position)
}

/// A message that answers no command.
pub fn is_push(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'>')
}

/// The first line without its end, and its length with it.
fn line(bytes: &[u8]) -> Option<(&[u8], usize)> {
    let end = bytes.windows(2).position(|window| window == b"\r\n")?;
    Some((&bytes[..end], end + 2))
}

fn number(digits: &[u8]) -> i64 {
    let text = std::str::from_utf8(digits).unwrap_or_default();
    text.parse().unwrap_or(0)
}
