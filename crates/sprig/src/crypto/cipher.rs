//! sprig's AES-256 in CBC mode, the password padded with zeros as the key.

use aes::Aes256;
use aes::cipher::generic_array::GenericArray;
use aes::cipher::{BlockDecrypt, BlockEncrypt, KeyInit};

use crate::codec::base64;

const BLOCK: usize = 16;

fn key(password: &[u8]) -> Aes256 {
    let mut key = [0; 32];
    let size = password.len().min(32);
    key[..size].copy_from_slice(&password[..size]);
    Aes256::new(&GenericArray::from(key))
}

/// base64 of the initial vector and the blocks.
pub fn encrypt(password: &[u8], text: &[u8], vector: [u8; BLOCK]) -> String {
    if text.is_empty() {
        return String::new();
    }
    let cipher = key(password);
    let padding = BLOCK - text.len() % BLOCK;
    let padded = [text, vec![padding as u8; padding].as_slice()].concat();
    let mut out = vector.to_vec();
    let mut last = vector;
    for chunk in padded.chunks_exact(BLOCK) {
        for (byte, plain) in last.iter_mut().zip(chunk) {
            *byte ^= plain;
        }
        let mut block = GenericArray::from(last);
        cipher.encrypt_block(&mut block);
        last = block.into();
        out.extend(last);
    }
    base64::encode(&out)
}

/// The text; what is no such text fails as the Go code panics.
pub fn decrypt(password: &[u8], text: &[u8]) -> Result<Vec<u8>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = base64::decode(text)?;
    let bounds = |part: String| Err(format!("runtime error: slice bounds out of range {part}"));
    if bytes.len() < BLOCK {
        return bounds(format!("[:{BLOCK}] with capacity {}", text.len() / 4 * 3));
    }
    let (vector, blocks) = bytes.split_at(BLOCK);
    if blocks.len() % BLOCK != 0 {
        return Err("crypto/cipher: input not full blocks".to_owned());
    }
    let cipher = key(password);
    let mut out = Vec::with_capacity(blocks.len());
    let mut last = vector;
    for chunk in blocks.chunks_exact(BLOCK) {
        let mut block = GenericArray::clone_from_slice(chunk);
        cipher.decrypt_block(&mut block);
        out.extend(block.iter().zip(last).map(|(byte, before)| byte ^ before));
        last = chunk;
    }
    let Some(&padding) = out.last() else { return Err("runtime error: index out of range [-1]".to_owned()) };
    match out.len().checked_sub(usize::from(padding)) {
        Some(size) => {
            out.truncate(size);
            Ok(out)
        }
        None => bounds(format!("[:{}]", out.len() as i64 - i64::from(padding))),
    }
}
