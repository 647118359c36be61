//! Blobs and a manifest → a registry, and the tags it has: the writing half of the distribution specification.

use bytes::Bytes;
use reqwest::header::{CONTENT_TYPE, LINK, LOCATION};
use reqwest::{StatusCode, Url};
use serde::Deserialize;

use crate::images::digest::Digest;
use crate::images::error::Error;
use crate::images::registry::Session;

/// Bytes of one page of tags.
const PAGE_BYTES_MAX: u64 = 4 << 20;
/// Pages of tags that are followed.
const PAGES_MAX: usize = 100;

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Session {
    /// All tags of the repository, in the registry's order.
    ///
    /// # Errors
    /// The registry refuses or has no such repository; over 100 pages of 4 MiB.
    pub async fn tags(&self) -> Result<Vec<String>, Error> {
        let mut out = Vec::new();
        let mut next = format!("{}/tags/list", self.base);
        for _ in 0..PAGES_MAX {
            let response = self.answer(|| self.client.get(&next)).await?;
            let response = self.succeed(response).await?;
            let link = response.headers().get(LINK).and_then(|h| h.to_str().ok()).and_then(next_link);
            let following = link.and_then(|link| response.url().join(&link).ok());
            let body = self.small(response, "list of tags", "tags_bytes", PAGE_BYTES_MAX).await?;
            let page: Tags = serde_json::from_slice(&body).map_err(|e| Error::malformed("list of tags", e))?;
            out.extend(page.tags.unwrap_or_default());
            match following {
                // Another host would be given our token.
                Some(url) if self.is_here(&url) => next = url.into(),
                _ => return Ok(out),
            }
        }
        Err(Error::Limit { what: "list of tags".to_owned(), limit: "tags_pages", bound: PAGES_MAX as u64 })
    }

    fn is_here(&self, url: &Url) -> bool {
        Url::parse(&self.base).is_ok_and(|base| base.origin() == url.origin())
    }

    /// Writes a blob, unless the registry has it.
    ///
    /// # Errors
    /// The registry refuses.
    pub async fn push_blob(&self, digest: &Digest, bytes: Bytes) -> Result<(), Error> {
        let known = self.answer(|| self.client.head(format!("{}/blobs/{digest}", self.base))).await?;
        if known.status() == StatusCode::OK {
            return Ok(());
        }
        let begun = self.answer(|| self.client.post(format!("{}/blobs/uploads/", self.base))).await?;
        let begun = self.succeed(begun).await?;
        let place = begun.headers().get(LOCATION).and_then(|h| h.to_str().ok());
        let place = place.and_then(|place| begun.url().join(place).ok());
        let mut place = place.ok_or_else(|| self.unavailable_because("no place to upload to".to_owned()))?;
        place.query_pairs_mut().append_pair("digest", &digest.to_string());
        let request = || {
            let body = self.client.put(place.clone()).header(CONTENT_TYPE, "application/octet-stream");
            body.body(bytes.clone())
        };
        let done = self.answer(request).await?;
        self.succeed(done).await.map(drop)
    }

    /// Writes a manifest under a tag, and gives its digest.
    ///
    /// # Errors
    /// The registry refuses, or lacks a blob that it names.
    pub async fn push_manifest(&self, tag: &str, media_type: &str, bytes: Bytes) -> Result<Digest, Error> {
        let digest = Digest::of(&bytes);
        let url = format!("{}/manifests/{tag}", self.base);
        let request = || self.client.put(&url).header(CONTENT_TYPE, media_type).body(bytes.clone());
        let done = self.answer(request).await?;
        self.succeed(done).await?;
        Ok(digest)
    }
}

/// The target of `<…>; rel="next"`.
fn next_link(header: &str) -> Option<String> {
    let (target, rest) = header.trim().strip_prefix('<')?.split_once('>')?;
    rest.contains("rel=\"next\"").then(|| target.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_next_page_is_found() {
        let check = |header: &str, expect: Option<&str>| assert_eq!(next_link(header).as_deref(), expect, "{header}");
        check("</v2/a/tags/list?last=b&n=2>; rel=\"next\"", Some("/v2/a/tags/list?last=b&n=2"));
        check("</x>; rel=\"prev\"", None);
        check("nonsense", None);
    }
}
