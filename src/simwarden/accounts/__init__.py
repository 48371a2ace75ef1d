"""Tenants, their applications (APPKEY, APPSECRET), scopes and access tokens."""
