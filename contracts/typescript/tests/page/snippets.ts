/**
 * The TypeScript snippets of the product page, word for word; each has `client` from the test that runs it.
 *
 * The last one of the page declares `user` twice, and so is two functions here.
 */

import type { Client } from "@denizen/client";

export async function createUser(client: Client): Promise<void> {
const user = await client.auth.users.create({
email: 'user@example.com',
password: 'SecurePassword123!',
emailVerified: false,
profile: {
firstName: 'John',
lastName: 'Doe',
picture: 'https://example.com/avatar.jpg',
},
metadata: {
plan: 'pro',
source: 'signup',
},
});
console.log('User ID:', user.id);
console.log('External ID:', user.externalId);
}

export async function registerUser(client: Client): Promise<void> {
// User submits registration form
const result = await client.auth.users.register({
email: 'user@example.com',
password: 'SecurePassword123!',
profile: {
firstName: 'John',
lastName: 'Doe',
},
});
// Send verification email
if (!result.emailVerified) {
await client.auth.users.sendVerificationEmail(result.id);
}
}

export async function getUser(client: Client): Promise<void> {
const user = await client.auth.users.get('user_xxx');
}

export async function getUserByEmail(client: Client): Promise<void> {
const user = await client.auth.users.getByEmail('user@example.com');
}

export async function getUserByExternalId(client: Client): Promise<void> {
const user = await client.auth.users.getByExternalId('your-system-id-123');
}

export async function listUsers(client: Client): Promise<void> {
const users = await client.auth.users.list({
count: 50,
offset: 0,
status: 'ACTIVE',
search: 'john',
});
for (const user of users.data) {
console.log(`${user.email}: ${user.status}`);
}
}

export async function updateUser(client: Client): Promise<void> {
await client.auth.users.update('user_xxx', {
profile: {
firstName: 'Jonathan',
lastName: 'Doe',
},
metadata: {
plan: 'enterprise',
},
});
}

export async function updateProfile(client: Client): Promise<void> {
await client.auth.users.update('user_xxx', {
profile: {
firstName: 'John',
lastName: 'Doe',
displayName: 'John D.',
picture: 'https://example.com/avatar.jpg',
locale: 'en-US',
timezone: 'America/New_York',
},
});
}

export async function updateMetadata(client: Client): Promise<void> {
// Data the user can modify
await client.auth.users.update('user_xxx', {
metadata: {
theme: 'dark',
notifications: 'enabled',
},
});
}

export async function updateAppMetadata(client: Client): Promise<void> {
// Data only your application can modify
await client.auth.users.update('user_xxx', {
appMetadata: {
plan: 'enterprise',
stripeCustomerId: 'cus_xxx',
permissions: ['read', 'write', 'admin'],
},
});
}

export async function sendVerificationEmail(client: Client): Promise<void> {
await client.auth.users.sendVerificationEmail('user_xxx');
}

export async function verifyEmail(client: Client): Promise<void> {
await client.auth.users.verifyEmail('user_xxx', {
code: '123456',
});
}

export async function checkVerification(client: Client): Promise<void> {
const user = await client.auth.users.get('user_xxx');
if (user.emailVerified) {
console.log('Email is verified');
}
}

export async function changePassword(client: Client): Promise<void> {
// User changes their own password
await client.auth.users.changePassword('user_xxx', {
currentPassword: 'OldPassword123!',
newPassword: 'NewPassword456!',
});
}

export async function resetPassword(client: Client): Promise<void> {
// Admin resets password
await client.auth.users.resetPassword('user_xxx', {
password: 'TemporaryPassword123!',
requireChange: true, // Force change on next login
});
}

export async function sendPasswordResetEmail(client: Client): Promise<void> {
await client.auth.users.sendPasswordResetEmail('user@example.com');
}

export async function blockUser(client: Client): Promise<void> {
await client.auth.users.block('user_xxx');
}

export async function unblockUser(client: Client): Promise<void> {
await client.auth.users.unblock('user_xxx');
}

export async function deleteUser(client: Client): Promise<void> {
await client.auth.users.delete('user_xxx');
}

export async function listIdentities(client: Client): Promise<void> {
const identities = await client.auth.users.listIdentities('user_xxx');
for (const identity of identities) {
console.log(`${identity.provider}: ${identity.providerId}`);
}
}

export async function linkIdentity(client: Client): Promise<void> {
// After social login, link to existing user
await client.auth.users.linkIdentity('user_xxx', {
provider: 'google',
providerId: 'google-user-id',
accessToken: 'google-access-token',
});
}

export async function unlinkIdentity(client: Client): Promise<void> {
await client.auth.users.unlinkIdentity('user_xxx', {
provider: 'google',
providerId: 'google-user-id',
});
}

export async function loginHistory(client: Client): Promise<void> {
const user = await client.auth.users.get('user_xxx');
console.log('Login count:', user.loginCount);
console.log('Last login:', user.lastLoginAt);
console.log('Last IP:', user.lastLoginIp);
}

export async function importUsers(client: Client): Promise<void> {
const results = await client.auth.users.import([
{
email: 'user1@example.com',
password: 'hashed:$2b$...',
emailVerified: true,
},
{
email: 'user2@example.com',
password: 'hashed:$2b$...',
emailVerified: true,
},
]);
console.log(`Imported: ${results.success}, Failed: ${results.failed}`);
}

export async function exportUsers(client: Client): Promise<void> {
const users = await client.auth.users.export({
format: 'csv',
fields: ['id', 'email', 'profile', 'createdAt'],
});
}

export async function createWithExternalId(client: Client): Promise<void> {
// Create user with external ID
const user = await client.auth.users.create({
email: 'user@example.com',
externalId: 'your-system-user-id',
});
}

export async function lookUpByExternalId(client: Client): Promise<void> {
// Look up by external ID
const user = await client.auth.users.getByExternalId('your-system-user-id');
}
