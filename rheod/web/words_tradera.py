"""Swedish for the page Tradera."""

from __future__ import annotations

TRADERA = {
    "Connection": "Anslutning",
    "sells": "säljer",
    "token refused": "inloggningen nekas",
    "not in the settings": "inte i inställningarna",
    "Tradera user": "Tradera-användare",
    "Token": "Inloggning",
    "from the settings, which come first; when it ends is not known": (
        "från inställningarna, som går före; när den går ut är inte känt"
    ),
    "from a login": "från en inloggning i webbläsaren",
    "none": "ingen",
    "Ends": "Går ut",
    "not known": "inte känt",
    "Why": "Varför",
    "Sign in at Tradera": "Logga in hos Tradera",
    "(opens another window)": "(öppnar ett annat fönster)",
    "The seller's number or alias at Tradera": "Säljarens nummer eller alias hos Tradera",
    "I have signed in": "Jag har loggat in",
    "Connect anew": "Anslut på nytt",
    "Connect": "Anslut",
    "If your application at Tradera has an Accept URL, set it to this address; the login then comes back by itself:": (
        "Om din applikation hos Tradera har en Accept URL, sätt den till den här adressen; inloggningen kommer då"
        " tillbaka av sig själv:"
    ),
    "Open Tradera's page below, sign in there, and come back.": (
        "Öppna Traderas sida nedan, logga in där och kom tillbaka."
    ),
    "Connected as Tradera user {user}.": "Ansluten som Tradera-användare {user}.",
    "Calls of the last 24 hours": "Anrop de senaste 24 timmarna",
    "of {n}, for all accounts": "av {n}, för alla konton",
    "For": "För",
    "Used": "Använda",
    "Stops at": "Stannar vid",
    "Work of a kind waits when all calls together reach its number; looking for what was missed counts by itself.": (
        "Ett slags arbete väntar när alla anrop tillsammans når dess tal; sökandet efter det som missats räknas för sig."
    ),
    "Looking after a restored backup": "Titta efter en återställd säkerhetskopia",
    "Ending ads": "Avsluta annonser",
    "Orders and logins": "Ordrar och inloggningar",
    "Marking as shipped": "Markera som skickat",
    "Asking whether ads are up": "Fråga om annonser är uppe",
    "Changing prices": "Ändra priser",
    "Publishing": "Publicera",
    "Looking for what was missed": "Söka det som missats",
    "Pauses": "Pauser",
    "None.": "Inga.",
    "Categories": "Kategorier",
    "{domain}: {n} wait for a category.": "{domain}: {n} väntar på en kategori.",
    "Kind of goods": "Varuslag",
    "Tradera category": "Tradera-kategori",
    "not set": "inte satt",
    "Set under [tradera.defaults.category_id] in the settings file, or sent with an item as tradera.categoryId.": (
        "Sätts under [tradera.defaults.category_id] i inställningsfilen, eller skickas med artikeln som"
        " tradera.categoryId."
    ),
    "Defaults of an ad": "Standardvärden för en annons",
    "Set under [tradera.defaults] in the settings file; an item may say otherwise.": (
        "Sätts under [tradera.defaults] i inställningsfilen; en artikel kan säga annat."
    ),
    "An item's ad text": "En artikels annonstext",
    "Your id of the item": "Ditt id på artikeln",
    "{n} of {most} characters": "{n} av {most} tecken",
    "Price": "Pris",
    "Back from Tradera": "Tillbaka från Tradera",
    "No login has been begun here.": "Ingen inloggning har påbörjats här.",
    "To the page Tradera": "Till sidan Tradera",
    "Tradera says that user {user} has signed in.": "Tradera säger att användare {user} har loggat in.",
    "Go on": "Gå vidare",
}
