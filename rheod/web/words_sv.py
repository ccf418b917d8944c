"""Swedish for every English text of the pages. A test holds this and the templates together."""

from __future__ import annotations

MONTHS_SV = ("jan", "feb", "mars", "apr", "maj", "juni", "juli", "aug", "sep", "okt", "nov", "dec")

FRAME = {
    "Skip to content": "Hoppa till innehållet",
    "Pages": "Sidor",
    "Today": "Idag",
    "Items": "Artiklar",
    "Sales": "Försäljning",
    "Integration": "Integration",
    "Account": "Konto",
    "own": "eget",
    "Show": "Visa",
    "Sign out": "Logga ut",
    "Copy it now: it is not shown again.": "Kopiera den nu: den visas inte igen.",
    "Not possible": "Går inte",
    "To the first page": "Till första sidan",
    "never": "aldrig",
    "just now": "nyss",
    "in {span}": "om {span}",
    "{span} ago": "för {span} sedan",
    "{n} days": "{n} dagar",
}

SIGN_IN = {
    "Sign in": "Logga in",
    "Too many wrong tries. Wait {n} seconds.": "För många felaktiga försök. Vänta {n} sekunder.",
    "That is not the password or the admin token.": "Det är varken lösenordet eller admin-token.",
    "Password or admin token": "Lösenord eller admin-token",
    "Admin token": "Admin-token",
    "No token at hand? On the server, run:": "Ingen token till hands? Kör på servern:",
    "Signed out.": "Utloggad.",
    "The password is set. Sign in with it.": "Lösenordet är satt. Logga in med det.",
}

TODAY = {
    "Tradera calls left": "Tradera-anrop kvar",
    "of {n} in 24 hours": "av {n} på 24 timmar",
}

SWEDISH: dict[str, str] = {**FRAME, **SIGN_IN, **TODAY}
