import { hash } from "node:crypto";

/** SHA-256 of the text's UTF-8 bytes as 43 characters of base64url without padding. Pure: the one use of node:crypto in the core. */
export const sha256Base64Url = (text: string): string => hash("sha256", text, "base64url");
