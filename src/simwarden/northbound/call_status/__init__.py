"""Call Status, a contract of our own: is the phone number in a call now?"""
