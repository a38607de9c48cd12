"""What the published files call things: codes and names for our categories, colours, patterns and brands. Order is the vocabulary's."""

from __future__ import annotations

TYPES = (
    ("255", "T-shirt", "Garment Upper body", "1002", "Jersey Basic"),
    ("259", "Shirt", "Garment Upper body", "1011", "Shirts"),
    ("252", "Sweater", "Garment Upper body", "1003", "Knitwear"),
    ("308", "Hoodie", "Garment Upper body", "1005", "Jersey Fancy"),
    ("265", "Dress", "Garment Full body", "1013", "Dresses Ladies"),
    ("275", "Skirt", "Garment Lower body", "1012", "Skirts"),
    ("276", "Jeans", "Garment Lower body", "1016", "Trousers Denim"),
    ("272", "Trousers", "Garment Lower body", "1009", "Trousers"),
    ("274", "Shorts", "Garment Lower body", "1025", "Shorts"),
    ("262", "Jacket", "Garment Upper body", "1007", "Outdoor"),
    ("263", "Coat", "Garment Upper body", "1007", "Outdoor"),
    ("57", "Swimsuit", "Swimwear", "1018", "Swimwear"),
    ("286", "Underwear bottom", "Underwear", "1017", "Under-, Nightwear"),
    ("302", "Socks", "Socks & Tights", "1021", "Socks and Tights"),
    ("94", "Sneakers", "Shoes", "1020", "Shoes"),
    ("66", "Bag", "Accessories", "1019", "Accessories"),
)
"""Of each category: product type number and name, product group, garment group number and name."""

COLOUR_GROUPS = (
    ("09", "Black", "4", "Dark", "5", "Black"),
    ("10", "White", "3", "Light", "9", "White"),
    ("73", "Dark Blue", "4", "Dark", "2", "Blue"),
    ("07", "Grey", "2", "Medium Dusty", "12", "Grey"),
    ("12", "Light Beige", "1", "Dusty Light", "11", "Beige"),
    ("72", "Blue", "7", "Medium", "2", "Blue"),
    ("51", "Light Pink", "1", "Dusty Light", "4", "Pink"),
    ("93", "Dark Green", "4", "Dark", "19", "Green"),
    ("42", "Red", "5", "Bright", "18", "Red"),
    ("15", "Brown", "4", "Dark", "13", "Brown"),
    ("32", "Yellow", "5", "Bright", "8", "Yellow"),
    ("62", "Purple", "2", "Medium Dusty", "7", "Lilac Purple"),
)
"""Of each colour: colour group code and name, perceived value id and name, perceived master id and name."""

APPEARANCES = (("1010016", "Solid"), ("1010017", "Stripe"), ("1010006", "Dot"))

INDEXES = (
    ("A", "Ladieswear", "1", "Ladieswear"),
    ("F", "Menswear", "3", "Menswear"),
    ("D", "Divided", "2", "Divided"),
    ("A", "Ladieswear", "1", "Ladieswear"),
    ("F", "Menswear", "3", "Menswear"),
    ("B", "Lingeries/Tights", "1", "Ladieswear"),
    ("S", "Sport", "26", "Sport"),
    ("D", "Divided", "2", "Divided"),
    ("H", "Children Sizes 92-140", "4", "Baby/Children"),
)
"""Of each brand: index code and name, index group number and name. A section is a brand's own."""

STORE_CHANNEL, ONLINE_CHANNEL = "1", "2"
